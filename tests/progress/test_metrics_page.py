"""The page about metrics: its example runs as it stands, and what it lists can be scraped."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys

from pages import ROOT, blocks
from seawall_testkit import Fault, Limits, Simulator

PAGE = "docs/how-to/metrics.md"
CALL_AND_SCRAPE = """
import urllib.request
messages = [{"role": "user", "content": "Write a report."}]
client.messages.create(model="claude-opus-5-5", max_tokens=64_000, messages=messages)
print(urllib.request.urlopen("http://127.0.0.1:9464/metrics", timeout=30).read().decode())
"""
OF_OTHER_CALLS = {
    "seawall.budget.left",
    "seawall.tokens.cached",
    "seawall.tokens.thinking",
    "seawall.tokens.wasted",
}


def test_its_example_runs_and_its_metrics_can_be_scraped(tmp_path):
    example = "".join(block.text for block in blocks(PAGE, "python"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    limits = Limits(rpm=6_000, itpm=6_000_000, otpm=600_000)
    with Simulator(faults=[Fault("eof", 1, event=60)], limits=limits) as simulator:
        environment = os.environ | {
            "ANTHROPIC_BASE_URL": simulator.base_url,
            "ANTHROPIC_API_KEY": "test",
            "SEAWALL_STATE_DIR": str(tmp_path),
            "SEAWALL_BACKOFF__BASE": "0.001",
        }
        script = (example + CALL_AND_SCRAPE).replace("9464", port)
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    scraped = done.stdout
    assert "9464" in example
    for name in (
        set(re.findall(r"^\| `([a-z_.]+)`", (ROOT / PAGE).read_text("utf-8"), re.MULTILINE)) - OF_OTHER_CALLS
    ):
        exported = name.replace(".", "_")
        assert re.search(rf"^{exported}(_seconds)?(_sum|_total)?\{{", scraped, re.MULTILINE), name
    of_output = r'gen_ai_client_token_usage_sum\{.*gen_ai_token_type="output".*\} (.*)'
    assert float(re.search(of_output, scraped)[1]) > 100
    assert re.search(r'seawall_continuations_total\{.*continuation_way="user_turn".*\} 1\.0', scraped)
    assert re.search(
        r'gen_ai_client_operation_duration_seconds_count\{.*server_address="127.0.0.1".*\} 1\.0', scraped
    )
