"""Every example of `docs/how-to/platforms.md` runs as it stands."""

from pathlib import Path
from typing import Any

import google.auth
import pytest

from pages import ROOT, blocks
from platforms.clients import PLATFORMS, ExpiringCredentials
from platforms.gateway import Gateway
from seawall_testkit import Fault, Simulator

PAGE = "docs/how-to/platforms.md"
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
    "ANTHROPIC_FOUNDRY_API_KEY": "test",
    "SEAWALL_BACKOFF__BASE": "0.001",
}
URLS = {
    "Bedrock": "BEDROCK",
    "BedrockMantle": "BEDROCK_MANTLE",
    "Vertex": "VERTEX",
    "Foundry": "FOUNDRY",
    "AWS": "AWS",
    "GoogleCloud": "GOOGLE_CLOUD",
}


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_example_survives_a_break(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (example,) = (each.text for each in blocks(PAGE, "python") if f"anthropic.Anthropic{name}(" in each.text)
    platform = PLATFORMS[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(google.auth, "default", lambda scopes: (ExpiringCredentials(), "my-project"))
    for variable, value in KEYS.items():
        monkeypatch.setenv(variable, value)
    names: dict[str, Any] = {}
    faults = [Fault("reset", event=30)]
    with Simulator(faults=faults) as simulator, Gateway(platform.dialect(), simulator) as gateway:
        monkeypatch.setenv(f"ANTHROPIC_{URLS[name]}_BASE_URL", gateway.base_url + platform.path)
        exec(example, names)
        names["client"].close()
        asked = [{"role": "user", "content": "Write the whole report."}]
        assert names["message"].content[0].text == simulator.text_for(asked)
    assert len(gateway.seen) == 2


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_table_says_who_counts_tokens(name: str) -> None:
    (row,) = (
        line
        for line in (ROOT / PAGE).read_text("utf-8").splitlines()
        if line.startswith(f"| `Anthropic{name}` |")
    )
    assert row.endswith("| yes |" if PLATFORMS[name].counts_tokens else "| no |")
