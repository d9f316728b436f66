"""`seawall doctor`: what it finds, what it says to do, and that it shows no key."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from seawall.commands.examination import clock_against, examine
from stores import RedisServer, free_port

KEY = "sk-ant-hunter2"
SENT = "Sun, 06 Nov 1994 08:49:37 GMT"
SECONDS = 784111777.0


class _Counter(BaseHTTPRequestHandler):
    """Counts tokens, or answers with the status of its server, and has the date of 1994."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append(self.path)
        answer = json.dumps({"input_tokens": 8}).encode()
        self.send_response(self.server.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def date_time_string(self, timestamp=None):
        return SENT

    def log_message(self, *_):
        pass


@pytest.fixture
def api(monkeypatch):
    with HTTPServer(("127.0.0.1", 0), _Counter) as server:
        server.status, server.seen = 200, []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("ANTHROPIC_BASE_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        yield server
        server.shutdown()
        thread.join()


def findings(**options):
    """What is found, by what it is about."""
    found = list(examine(**{"online": False, "clock": lambda: SECONDS, **options}))
    return {finding.said.partition(":")[0]: finding for finding in found}


def test_where_everything_is_right_it_exits_0_and_names_what_there_is(here, run, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    (here / "seawall.toml").write_text(f"plugins = ['files', 'backoff']\nstate_dir = '{here / 'state'}'")
    code, out, err = run("doctor")
    assert (code, err) == (0, "")
    assert [line.split(maxsplit=1)[1] for line in out.splitlines()[2:]] == [
        f"configuration: {here / 'seawall.toml'}",
        "plugins: files, backoff",
        f"state directory: {here / 'state'} can be written",
        "state: 'sqlite' answers",
        "key: ANTHROPIC_API_KEY is set",
    ]
    assert {line.split()[0] for line in out.splitlines()} == {"ok"}


def test_a_key_is_never_shown_and_one_that_is_missing_is_no_fault_of_this_machine(run, api, monkeypatch):
    assert "hunter2" not in str(run("doctor", "--online"))
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    code, out, _ = run("doctor")
    assert (code, out.splitlines()[-1]) == (
        0,
        "note   key: none is set; set ANTHROPIC_API_KEY, or give each client its api_key",
    )
    assert run("doctor", "--online")[0] == 1


def test_without_online_nothing_is_sent(run, api):
    assert run("doctor")[0] == 0
    assert api.seen == []


def test_online_one_count_of_tokens_is_sent(api):
    found = findings(online=True)
    assert api.seen == ["/v1/messages/count_tokens"]
    assert found["API"] == ("ok", "API: 127.0.0.1 counts tokens")
    assert found["clock"] == ("ok", "clock: as the API's")


@pytest.mark.parametrize(
    ("status", "said"), [(401, "set another key"), (403, "set another key"), (529, "try again, or look at")]
)
def test_what_the_api_refuses_is_told_with_what_to_do(status, said, api):
    api.status = status
    verdict, text = findings(online=True)["API"]
    assert verdict == "WRONG"
    assert text.startswith(f"API: 127.0.0.1 answers HTTP {status} to a count of tokens; {said}")


def test_an_api_that_cannot_be_reached_is_told(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_BASE_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    verdict, text = findings(online=True)["API"]
    assert verdict == "WRONG"
    what = "look at the network, the proxy and ANTHROPIC_BASE_URL"
    assert text == f"API: 127.0.0.1 cannot be reached (ConnectError); {what}"


@pytest.mark.parametrize(
    ("off", "expected"),
    [
        (30.0, ("ok", "clock: as the API's")),
        (-30.0, ("ok", "clock: as the API's")),
        (31.0, ("WRONG", "clock: 31 s ahead of the API's; budgets and leases go by it: synchronise it")),
        (-4000.0, ("WRONG", "clock: 4,000 s behind the API's; budgets and leases go by it: synchronise it")),
    ],
)
def test_a_clock_that_is_off_by_more_than_half_a_minute_is_wrong(off, expected):
    assert clock_against(SENT, SECONDS + off) == expected


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_an_answer_without_a_date_says_nothing_about_the_clock(date):
    assert clock_against(date, SECONDS).verdict == "note"


def test_a_configuration_that_is_wrong_is_told_and_exits_1(here, run):
    (here / "seawall.toml").write_text("[backoff]\ncap = 0")
    code, out, _ = run("doctor")
    assert code == 1
    assert (
        f"WRONG  configuration: {here / 'seawall.toml'}: backoff.cap = 0: input should be greater than 0 "
        "(see `seawall config check`)\n"
    ) in out


def test_a_plugin_that_does_not_load_is_told(here, run, install):
    install("1 / 0")
    (here / "seawall.toml").write_text("plugins = ['guard']")
    code, out, _ = run("doctor")
    assert code == 1
    assert "WRONG  configuration: plugin 'guard' of distribution 'guard-dist' cannot be loaded: " in out


def test_a_state_directory_that_cannot_be_written_is_told(here):
    (here / "file").write_text("")
    (here / "seawall.toml").write_text(f"state_dir = '{here / 'file' / 'state'}'")
    found = findings()
    folder = here / "file" / "state"
    verdict, text = found["state directory"]
    assert verdict == "WRONG"
    assert text.startswith(f"state directory: {folder} cannot be written (")
    assert text.endswith("); set state_dir to a folder that can")
    assert found["state"] == (
        "WRONG",
        "state: 'sqlite' cannot be used, each process is on its own; set state_dir",
    )


def test_state_in_memory_is_noted(here):
    (here / "seawall.toml").write_text("state = 'memory'")
    assert findings()["state"].verdict == "note"


def test_a_redis_that_answers_is_right_and_one_that_does_not_is_wrong(here):
    server = RedisServer()
    address = f"redis://:@127.0.0.1:{server.port}/0"
    (here / "seawall.toml").write_text(f"state = '{address}'")
    try:
        assert findings()["state"] == ("ok", f"state: '{address.replace(':@', '***@')}' answers")
    finally:
        server.kill()
    verdict, text = findings()["state"]
    assert verdict == "WRONG"
    assert text.startswith(f"state: '{address.replace(':@', '***@')}' does not answer: ")
    assert text.endswith("; start it, or correct `state`")
