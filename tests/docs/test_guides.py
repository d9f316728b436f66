"""Guides whose examples need something to go wrong run as they stand, and what they promise is so."""

import logging
import re
import tomllib

import anthropic
import pytest

import seawall
from pages import blocks, close, execute, point_to
from seawall.cli import main
from seawall.registry import instances
from seawall.settings import Configuration
from seawall_backoff import BackoffSettings
from seawall_testkit import Fault, Simulator
from stores import own_redis_server

__all__ = ["own_redis_server"]


@pytest.fixture
def loggers():
    """The logging as it was, after a page has configured it."""
    root, own = logging.getLogger(), logging.getLogger("seawall")
    before = root.level, own.level, list(root.handlers)
    yield
    root.setLevel(before[0])
    own.setLevel(before[1])
    root.handlers[:] = before[2]


def test_the_one_about_applications_gets_through_breaks_and_keeps_what_was_paid_for(
    monkeypatch, tmp_path, capsys, loggers
):
    monkeypatch.chdir(tmp_path)
    first, in_code, counting, *rest = blocks("docs/how-to/applications.md", "python")
    with Simulator(faults=[Fault("reset", event=20)]) as simulator:
        point_to(simulator, monkeypatch)
        names = execute([first, in_code, counting], {})
        assert len(simulator.requests) == 4, "each of the two reports broke once"
        assert names["count"].ended == {"completed": 1}
        with Simulator(faults=[Fault("error_event", event=20, error_type="invalid_request_error")]) as other:
            point_to(other, monkeypatch)
            names["client"] = seawall.protect(anthropic.Anthropic())
            execute(rest[:1], names)
            assert names["text"] is None
            assert len(names["paid_for"][0]) > 20
        point_to(simulator, monkeypatch)
        names["client"] = seawall.protect(anthropic.Anthropic())
        execute(rest[1:], names)
    close(names)
    assert names["answer"]
    assert len(names["texts"]) == 3
    said = capsys.readouterr().out
    assert "BadRequestError\nSeawall: 1 attempt; given up: it is not retried." in said


def test_the_one_about_redis_shares_refuses_without_it_and_goes_on_with_it(
    monkeypatch, tmp_path, own_redis_server
):
    monkeypatch.chdir(tmp_path)
    (settings,) = blocks("docs/how-to/redis.md", "toml")
    given = settings.text.replace("redis://redis.internal:6379/0", own_redis_server.url)
    assert given != settings.text
    (tmp_path / "seawall.toml").write_text(given, encoding="utf-8")
    shared, when_it_is_gone = blocks("docs/how-to/redis.md", "python")
    with Simulator() as simulator:
        point_to(simulator, monkeypatch)
        names = execute([shared], {})
        assert names["message"].content[0].text
        own_redis_server.kill()
        execute([when_it_is_gone], names)
        assert "cannot be looked up" in names["refusal"]
        own_redis_server.start()
        again = [{"role": "user", "content": "Once more."}]
        names["client"].messages.create(model="claude-opus-5-5", max_tokens=2_000, messages=again)
        with pytest.raises(SystemExit) as ended:
            main(["doctor"])
        assert ended.value.code == 0
        assert len(simulator.requests) == 2
    close(names)


def like(text):
    """A pattern for a text with other numbers, ids and hosts."""
    text = re.sub(r"call \w+", "call ID", re.sub(r"req_\w+…", "req_ID", text))
    text = re.sub(r"\d+", r"\\d+", re.escape(text))
    return text.replace("ID", r"\w+").replace(re.escape("api.anthropic.com"), r"[\d.:]+")


def test_the_one_about_outages_says_what_is_logged_and_what_is_noted(monkeypatch, tmp_path, caplog, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEAWALL_STATE", "memory")
    made, in_time, told = blocks("docs/how-to/outages.md", "python")
    logged, noted = blocks("docs/how-to/outages.md", "text")
    (held,) = blocks("plugins/backoff/README.md", "text")
    names = {}
    with Simulator() as simulator:
        point_to(simulator, monkeypatch)
        execute([made], names)
        simulator.begin_outage(529)
        ending = logging.Filter()
        ending.filter = lambda record: "is down" not in record.getMessage() or simulator.end_outage() or True
        caplog.set_level("INFO", "seawall")
        # taken back after the test: the handler is that of all tests of the process
        monkeypatch.setattr(caplog.handler, "filters", [ending])
        execute([in_time], names)
    said = [f"{each.levelname:<7} {each.name:<15} {each.getMessage()}" for each in caplog.records]
    for line in (*logged.text.splitlines(), held.text.strip()):
        assert any(re.search(like(line), found) for found in said), (line, like(line), said)
    faults = [
        Fault("status", status=529),
        Fault("reset_before_headers", attempt=2),
        Fault("status", attempt=3, status=400),
    ]
    with Simulator(faults=faults) as simulator:
        point_to(simulator, monkeypatch)
        execute([made, told], names)
    close(names)
    out = capsys.readouterr().out.strip()
    assert re.fullmatch(like(noted.text.strip()), out), out


def test_the_one_about_migration_asks_as_often_before_as_after(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names = {}
    sdk, sdk_protected, looping, protected = blocks("docs/how-to/migrate.md", "python")
    for before, after in ((sdk, sdk_protected), (looping, protected)):
        for block in (before, after):
            with Simulator(faults=[Fault("status", status=529)]) as simulator:
                point_to(simulator, monkeypatch)
                execute([block], names)
                assert len(simulator.requests) == 2
        assert names["before"] == names["after"] != ""
    close(names)


def test_the_numbers_of_tenacity_are_those_of_the_settings(monkeypatch, tmp_path):
    (settings,) = blocks("docs/how-to/migrate.md", "toml")
    told = tomllib.loads(settings.text)
    assert list(instances(Configuration(told), ["backoff"])) == ["backoff"]
    looping = blocks("docs/how-to/migrate.md", "python")[2].text
    backoff = BackoffSettings(**told["backoff"])
    assert f"stop_after_attempt({backoff.max_attempts}) | tenacity.stop_after_delay(600)" in looping
    assert f"wait_random_exponential(multiplier={backoff.base}, max={backoff.cap:g})" in looping
    assert backoff.max_elapsed == 600
