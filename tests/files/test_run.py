"""`seawall run` as a user types it, against the simulator."""

import io
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from files.commands import PROMPT, environment
from seawall_files.answers import echo_answer
from seawall_files.journal import recover
from seawall_testkit import Fault, Simulator

SEAWALL = str(Path(sys.executable).with_name("seawall"))
MESSAGES = [{"role": "user", "content": PROMPT}]


def run(*arguments, simulator=None, stdin="", **variables):
    command = [SEAWALL, "run", *arguments]
    options = {"capture_output": True, "text": True, "encoding": "utf-8", "input": stdin}
    return subprocess.run(command, env=environment(simulator, **variables), check=False, **options)


def test_the_answer_replaces_the_old_file(folder):
    with Simulator(
        faults=[Fault("reset", event=60), Fault("eof", attempt=2, event=20)], answer_tokens=900
    ) as simulator:
        done = run("prompt.md", "-o", "answer.md", simulator=simulator)
        assert (done.returncode, done.stdout) == (0, "")
        assert (folder / "answer.md").read_text(encoding="utf-8") == simulator.text_for(MESSAGES)
        assert simulator.requests[0].body["max_tokens"] == 64_000
    assert sorted(path.name for path in folder.iterdir()) == ["answer.md", "prompt.md"]


def test_without_a_file_the_answer_goes_to_stdout_and_the_prompt_comes_from_stdin(folder):
    with Simulator() as simulator:
        options = ("--model", "claude-haiku-4-5", "--max-tokens", "5000", "--system", "Be brief.")
        done = run("-", *options, simulator=simulator, stdin=PROMPT)
        (request,) = simulator.requests
        assert done.stdout.rstrip("\n") == simulator.text_for(MESSAGES, system="Be brief.").rstrip("\n")
    assert (done.returncode, done.stderr) == (0, "")
    body = {key: request.body[key] for key in ("model", "max_tokens", "system", "messages")}
    assert body == {
        "model": "claude-haiku-4-5",
        "max_tokens": 5000,
        "system": "Be brief.",
        "messages": MESSAGES,
    }


def test_a_dash_is_stdin_and_stdout_and_a_path_to_it_is_a_file(folder, seawall_here):
    with Simulator(answer="The answer.") as simulator:
        code, out, _ = seawall_here("run", "-", "-o", "-", simulator=simulator, stdin=PROMPT)
        assert (code, out, list(folder.glob("-*"))) == (0, "The answer.\n", [])
        code, out, _ = seawall_here("run", "-", "-o", "./-", simulator=simulator, stdin=PROMPT)
        assert (code, out, (folder / "-").read_text()) == (0, "", "The answer.")
        code, out, _ = seawall_here("run", "./-", simulator=simulator)
        assert (code, out) == (0, "The answer.\n")
        assert simulator.requests[-1].body["messages"] == [{"role": "user", "content": "The answer."}]


def test_a_terminal_is_given_nothing_that_a_console_of_windows_does_not_take(monkeypatch):
    class Console(io.TextIOWrapper):
        def isatty(self):
            return True

    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", Console(written, encoding="utf-16-le", newline="\n"))
    # half of a character, as an answer has where the model wrote it so
    echo_answer("a\ud83d b")
    assert written.getvalue().decode("utf-16-le") == "a? b\n"


def test_a_failure_keeps_the_old_file_and_the_same_command_goes_on(folder, seawall_here, monkeypatch):
    fault = Fault("error_event", event=100, error_type="invalid_request_error")
    journal = folder / "answer.md.seawall-journal"
    command = ("run", "prompt.md", "-o", "answer.md")
    with Simulator(faults=[fault], answer_tokens=900) as simulator:
        code, _, said = seawall_here(*command, simulator=simulator)
        assert code == 1
        assert "BadRequestError (400, request req_" in said
        how = "the same command again, or `seawall journals resume answer.md`, goes on"
        assert f"what was received is in {journal.name}, and {how}; answer.md is as it was" in said
        assert (folder / "answer.md").read_text(encoding="utf-8") == "old"
        # also where the plugin is not among those that run
        monkeypatch.setenv("SEAWALL_PLUGINS", '["backoff"]')
        code, _, said = seawall_here(*command, simulator=simulator)
        assert (code, said.startswith("answer.md: ")) == (0, True)
        assert [request.way for request in simulator.requests] == ["plain", "user_turn"]
        assert (folder / "answer.md").read_text(encoding="utf-8") == simulator.text_for(MESSAGES)
    assert not journal.exists()


def test_a_name_like_an_option_is_told_as_a_command_takes_it(folder, seawall_here):
    fault = Fault("error_event", event=60, error_type="invalid_request_error")
    with Simulator(faults=[fault]) as simulator:
        said = seawall_here("run", "prompt.md", "-o", "-x.md", simulator=simulator)[2]
        command = re.search("`seawall (journals resume .*?)`", said)[1]
        assert seawall_here(*shlex.split(command), simulator=simulator)[0] == 0
        assert (folder / "-x.md").read_text(encoding="utf-8") == simulator.text_for(MESSAGES)


def test_without_a_file_a_failure_says_where_the_received_part_is(folder, seawall_here):
    fault = Fault("error_event", event=60, error_type="invalid_request_error")
    with Simulator(faults=[fault]) as simulator:
        code, out, said = seawall_here("run", "prompt.md", simulator=simulator)
        text = simulator.text_for(MESSAGES)
    partial = (folder / "seawall-answer.partial.md").read_text(encoding="utf-8")
    assert (code, out) == (1, "")
    assert partial
    assert text.startswith(partial)
    assert f"the {len(partial):,} characters that were received are in seawall-answer.partial.md" in said


def test_an_answer_that_stdout_does_not_take_is_in_a_file(folder):
    # open for reading only, it is as good as a full disk
    with Simulator() as simulator, Path("prompt.md").open("rb") as stdout:
        command = [SEAWALL, "run", "prompt.md"]
        done = subprocess.run(
            command,
            env=environment(simulator) | {"PYTHONUNBUFFERED": ""},
            check=False,
            stdout=stdout,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        whole = simulator.text_for(MESSAGES)
    assert (folder / "seawall-answer.md").read_text(encoding="utf-8") == whole
    assert done.returncode == 1
    assert "seawall: stdout cannot be written: Bad file descriptor; the " in done.stderr
    assert done.stderr.endswith(" characters that were received are in seawall-answer.md\n")


def test_an_answer_is_kept_beside_those_of_earlier_calls(folder, seawall_here):
    (folder / "seawall-answer.partial.md").write_text("paid for", encoding="utf-8")
    fault = Fault("error_event", event=60, error_type="invalid_request_error", times=2)
    with Simulator(faults=[fault]) as simulator:
        said = [seawall_here("run", "prompt.md", simulator=simulator)[2] for _ in range(2)]
    for number, words in enumerate(said, 2):
        assert f"that were received are in seawall-answer.partial-{number}.md; " in words
        assert (folder / f"seawall-answer.partial-{number}.md").stat().st_size
    assert (folder / "seawall-answer.partial.md").read_text(encoding="utf-8") == "paid for"


@pytest.mark.parametrize("options", [(), ("-o", "new.md")])
def test_stdout_holds_every_character_whatever_its_encoding(folder, options):
    (folder / ".new.md.seawall-new").mkdir()  # so that it cannot be saved
    variables = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"}
    with Simulator(answer="Größe \N{RIGHTWARDS ARROW} 東京") as simulator:
        done = run("prompt.md", *options, simulator=simulator, **variables)
        shown = subprocess.run(
            [SEAWALL, "journals", "show", "new.md"],
            check=False,
            capture_output=True,
            env=environment(simulator, **variables),
        )
    assert done.returncode == len(options) / 2
    assert done.stdout == "Größe \N{RIGHTWARDS ARROW} 東京\n"
    if options:
        assert shown.stdout.decode() == done.stdout


@pytest.mark.skipif(os.name == "nt", reason="Windows has no descriptors to close in a shell")
def test_closed_streams_are_no_traceback_and_cost_nothing(folder):
    with Simulator() as simulator:
        options = {"env": environment(simulator), "stderr": subprocess.PIPE, "text": True}
        done = subprocess.run(["/bin/sh", "-c", f"{SEAWALL} run prompt.md >&-"], check=False, **options)
        whole = simulator.text_for(MESSAGES)
        asked = subprocess.run(["/bin/sh", "-c", f"{SEAWALL} run - <&-"], check=False, **options)
        assert len(simulator.requests) == 1
    assert (folder / "seawall-answer.md").read_text(encoding="utf-8") == whole
    assert done.returncode == 1
    assert done.stderr.startswith("seawall: stdout cannot be written: it is closed; the ")
    assert asked.returncode == 2
    assert "cannot read '-': stdin is closed" in asked.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows says of such a path that there is none")
def test_of_a_name_that_is_too_long_it_is_told_how_long_it_is(folder, seawall_here):
    with Simulator() as simulator:
        code, _, said = seawall_here("run", "prompt.md", "-o", "x" * 300, simulator=simulator)
        assert simulator.requests == []
    assert code == 1
    whole = len(os.fsencode(folder)) + 301
    assert f"its longest name has 300 bytes and the whole path {whole:,}, where most systems take 255" in said
    assert "Errno" not in said


@pytest.mark.parametrize(("options", "old"), [((), None), (("-o", "answer.md"), "old")])
def test_an_answer_without_text_is_no_success(folder, seawall_here, options, old):
    with Simulator(answer="") as simulator:
        code, out, said = seawall_here("run", "prompt.md", *options, simulator=simulator)
    assert (code, out) == (1, "")
    assert "seawall: there is nothing to write, the answer has no text: " in said
    assert old is None or (folder / "answer.md").read_text(encoding="utf-8") == old


def test_an_answer_whose_file_cannot_be_written_goes_to_stdout_too(folder, seawall_here):
    with Simulator(answer="The answer.") as simulator:
        seawall_here("run", "prompt.md", "-o", "new.md", simulator=simulator)
        (folder / "new.md").unlink()
        (folder / ".new.md.seawall-new").mkdir()
        code, out, said = seawall_here("run", "prompt.md", "-o", "new.md", simulator=simulator)
    assert (code, out) == (1, "The answer.\n")
    said = said.replace(f"{folder}{os.sep}", "")
    assert "'new.md' could not be written" in said
    assert "as it was" not in said


def test_of_a_file_that_was_not_there_it_is_said_that_it_was_not_written(folder, seawall_here):
    command = ("run", "prompt.md", "-o", "new.md")
    part = Fault("error_event", attempt=2, event=100, error_type="invalid_request_error")
    with Simulator(faults=[Fault("status", status=401), part], answer_tokens=900) as simulator:
        said = [seawall_here(*command, simulator=simulator)[2] for _ in range(2)]
        # another request finds the journal of this one
        said.append(seawall_here(*command, "--max-tokens", "900", simulator=simulator)[2])
        assert len(simulator.requests) == 2
    kept = "what was received is in new.md.seawall-journal, and the same command again, or"
    for words, so_far in zip(("nothing was received", kept, "nothing was sent"), said, strict=True):
        assert f"seawall: {words}" in so_far
        assert so_far.endswith("; new.md was not written\n")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("status", status=401), "AuthenticationError (401, request req_"),
        (Fault("spend_cap"), "EnforcedSpendLimitReachedError (429"),
        (Fault("status", status=529, times=99), "max_attempts = 4 is used up"),
    ],
)
def test_an_error_of_the_api_is_told_without_a_traceback(seawall_here, fault, said):
    command = ("run", "prompt.md", "-o", "answer.md")
    with Simulator(faults=[fault]) as simulator:
        code, _, errors = seawall_here(*command, simulator=simulator, SEAWALL_BACKOFF__MAX_ATTEMPTS="4")
    assert code == 1
    assert said in errors
    assert "nothing was received; answer.md is as it was" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "stdin", "variables", "said"),
    [
        (("nowhere.md",), "", {}, "cannot read 'nowhere.md': No such file"),
        (("-",), " \n", {}, "'-' is empty"),
        (("prompt.md", "-o", "no/answer.md"), "", {}, "the folder of 'no/answer.md' does not exist"),
        (("prompt.md", "-o", "prompt.md"), "", {}, "the answer would replace its prompt, 'prompt.md'"),
        (("prompt.md", "--max-tokens", "0"), "", {}, "--max-tokens"),
        (("prompt.md", "--system", "caf\udce9"), "", {}, "--system 'caf\\udce9' is not UTF-8"),
        (("prompt.md", "--model", "caf\udce9"), "", {}, "--model 'caf\\udce9' is not UTF-8"),
        (("prompt.md",), "", {"ANTHROPIC_API_KEY": ""}, "ANTHROPIC_API_KEY"),
        (("prompt.md",), "", {"SEAWALL_BACKOFF__CAP": "-1"}, "SEAWALL_BACKOFF__CAP"),
        ((), "", {}, "Missing argument"),
    ],
)
def test_a_wrong_use_exits_2_before_anything_is_sent(seawall_here, arguments, stdin, variables, said):
    with Simulator() as simulator:
        code, _, errors = seawall_here("run", *arguments, simulator=simulator, stdin=stdin, **variables)
        assert simulator.requests == []
    assert code == 2
    assert said in errors
    assert "Traceback" not in errors


def test_a_prompt_that_is_not_utf_8_is_refused(folder, seawall_here):
    (folder / "prompt.md").write_bytes(b"caf\xe9")
    code, _, errors = seawall_here("run", "prompt.md")
    assert code == 2
    assert "'prompt.md' is not UTF-8: byte 3 is 0xe9" in errors
    (folder / "prompt.md").write_bytes(b"\xef\xbb\xbfcaf\xe9")
    assert "'prompt.md' is not UTF-8: byte 6 is 0xe9" in seawall_here("run", "prompt.md")[2]


@pytest.mark.parametrize(("fault", "code"), [(None, 0), (Fault("status", status=401), 1)])
def test_a_stderr_that_nobody_reads_changes_nothing_of_the_end(folder, fault, code):
    read, write = os.pipe()
    os.close(read)
    with Simulator(answer="The answer.", faults=[fault] if fault else []) as simulator:
        command = [SEAWALL, "-v", "run", "prompt.md", "-o", "answer.md"]
        with os.fdopen(write, "wb") as stderr:
            done = subprocess.run(command, env=environment(simulator), check=False, stderr=stderr)
    assert done.returncode == code
    assert (folder / "answer.md").read_text() == ("old" if code else "The answer.")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
def test_ctrl_c_exits_130_also_where_it_ended_who_reads_stderr_first(folder):
    with Simulator(faults=[Fault("stall", event=60)]) as simulator:
        command = [SEAWALL, "-v", "run", "prompt.md", "-o", "answer.md"]
        variables = environment(simulator, SEAWALL_PROGRESS__INTERVAL="1e-9")
        process = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True)
        next(line for line in process.stderr if "writing" in line)
        process.stderr.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
def test_ctrl_c_exits_130_and_says_how_to_go_on(folder):
    with Simulator(faults=[Fault("stall", event=60)]) as simulator:
        command = [SEAWALL, "-v", "run", "prompt.md", "-o", "answer.md"]
        variables = environment(simulator, SEAWALL_PROGRESS__INTERVAL="1e-9")
        process = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True)
        # the line about a chunk comes before the chunk is kept, so not at the first one
        next(line for line in process.stderr if re.search(r"writing, about \d\d", line))
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted; what was received is in answer.md.seawall-journal, and the same" in stderr
    assert (folder / "answer.md").read_text(encoding="utf-8") == "old"
    frames = b"".join(record.payload for record in recover(folder / "answer.md.seawall-journal").records())
    assert b"text_delta" in frames
