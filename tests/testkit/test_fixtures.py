"""The fixtures that test runs of others get, in a test run of their own."""

import subprocess
import sys

from pages import blocks

FIRST = """
import sys

OURS = {name.partition(".")[0] for name in sys.modules} & {"anthropic", "seawall", "seawall_testkit"}


def test_nothing_is_imported_before_a_fixture_is_asked_for():
    assert OURS == set()
"""

THEN = """
import asyncio
import os
from pathlib import Path

import pytest

import seawall
from seawall_testkit import Fault

ASK = {"model": "claude-opus-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": "What?"}]}


class Counter:
    def __init__(self):
        self.errors = self.ended = 0

    @seawall.hookimpl
    def on_error(self, call):
        self.errors += 1

    @seawall.hookimpl
    def post_response(self, call):
        self.ended += 1


def test_the_simulator_runs(simulator):
    assert simulator.base_url.startswith("http://127.0.0.1:")


@pytest.mark.simulator(faults=[Fault("status", status=529)], answer_tokens=7)
def test_the_marker_says_how_and_settings_are_those_given(simulator, protected):
    counter = Counter()
    client = protected(counter, "backoff", backoff={"base": 0.001, "cap": 0.001, "mode": "off"})
    message = client.messages.create(**ASK)
    assert message.content[0].text == simulator.text_for(ASK["messages"])
    assert (counter.errors, counter.ended, len(simulator.requests)) == (1, 1, 2)


@pytest.mark.xfail(raises=TypeError, reason="the simulator takes its options by name")
@pytest.mark.simulator([Fault("status", status=529)])
def test_an_option_without_a_name_is_not_passed_over(simulator):
    pass


def test_an_async_client_is_made_in_the_same_way(aprotected):
    counter = Counter()

    async def ask():
        async with aprotected(counter) as client:
            return await client.messages.create(**ASK)

    assert asyncio.run(ask()).role == "assistant"
    assert counter.ended == 1


def test_without_plugins_the_configured_ones_run(protected, simulator):
    message = protected().messages.create(**{**ASK, "max_tokens": 9000})
    assert message.stop_reason == "end_turn"
    assert simulator.requests[0].stream


@pytest.mark.parametrize("time", (1, 2))
def test_each_test_has_its_own_state_and_none_is_the_users(protected, time):
    seen = []

    class Looks:
        @seawall.hookimpl
        def pre_request(self, call):
            count = seawall.state.Step("count", lambda document, _: ({"n": document.get("n", 0) + 1},) * 2)
            seen.append((call.store.step(count, key="n"), call.state_dir))

    protected(Looks()).messages.create(**ASK)
    ((document, folder),) = seen
    assert document == {"n": 1}
    assert not folder.is_relative_to(Path(os.environ["XDG_STATE_HOME"]))
"""


def test_the_fixtures_work_in_a_strict_test_run_as_the_readme_says_and_import_nothing_before(tmp_path):
    examples = [block.text for block in blocks("plugins/testkit/README.md", "python")]
    (tmp_path / "test_1.py").write_text(FIRST)
    (tmp_path / "test_2.py").write_text(THEN)
    (tmp_path / "test_3.py").write_text("".join(text for text in examples if "def test_" in text))
    (tmp_path / "pytest.toml").write_text('[pytest]\nstrict = true\nfilterwarnings = ["error"]\n')
    # none of the plugins that this repository happens to have
    without = [f"-pno:{name}" for name in ("xdist", "anyio", "langsmith_plugin", "hypothesispytest")]
    command = [sys.executable, "-m", "pytest", "-q", *without]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 passed, 1 xfailed" in done.stdout
