"""The vocabulary: where it comes from, that it loads once, and what happens without tiktoken."""

import os
import subprocess
import sys
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from forks import forked
from seawall_tokens import vocabulary
from seawall_tokens.vocabulary import CLAUDE_2, Vocabulary


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("hello world!", 3), ("™", 1), ("ϰ", 1), ("<EOT>", 4), ("\ud800", 1)],
)
def test_it_counts_as_the_published_tokenizer_does(text, expected):
    assert CLAUDE_2.count()(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("in 2026", 4), ("1234567", 3), ("one.\n\ntwo", 4), ("one.\n    two", 5), ("one \ntwo", 3)],
)
def test_numbers_and_line_breaks_are_split_as_for_later_models(text, expected):
    assert CLAUDE_2.count()(text) == expected


def normalized(monkeypatch, text):
    """Count a text; return the pieces in which it is normalized."""
    pieces = []

    def normalize(form, piece):
        pieces.append(piece)
        return unicodedata.normalize(form, piece)

    count = CLAUDE_2.count()
    monkeypatch.setattr(vocabulary, "unicodedata", SimpleNamespace(normalize=normalize))
    assert count(text) > 0
    assert "".join(pieces) == text
    return pieces


@pytest.mark.parametrize("marks", ["\u0301\u0316", "\uff9e\u0316", "\u0f73\u0334", " \u0301"])
def test_combining_marks_in_a_row_are_normalized_a_few_at_a_time(monkeypatch, marks):
    pieces = normalized(monkeypatch, ("e" + marks * 1_000 + "word ") * 2)
    assert max(map(len, pieces)) < 300


@pytest.mark.parametrize(
    "text",
    ["häufig, ", "e\u0301te\u0301 ", "नमस्ते दुनिया ", "\u1112\u1161\u11ab글 ", "ﾊﾞﾅﾅ ", "[1] “\n", "-ß"],
)
def test_a_text_of_words_is_normalized_as_a_whole(monkeypatch, text):
    assert normalized(monkeypatch, text * 500) == [text * 500]


def test_sixteen_threads_that_ask_at_once_load_it_once(monkeypatch):
    loads = []

    def load():
        loads.append(sum(range(1_000_000)))  # long enough for the others to come
        return len

    monkeypatch.setattr(vocabulary, "_load", load)
    start, asked = threading.Barrier(16), Vocabulary()
    counts = []

    def ask():
        start.wait()
        counts.append(asked.count())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(loads), counts) == (1, [len] * 16)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_child_forked_while_it_loads_loads_its_own(monkeypatch):
    parent, begun, is_forked = os.getpid(), threading.Event(), threading.Event()

    def load():
        if os.getpid() == parent:
            begun.set()
            is_forked.wait()
        return len

    monkeypatch.setattr(vocabulary, "_load", load)
    asked = Vocabulary()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asked.count)
        begun.wait()
        child = forked(lambda: asked.count() is len)
        is_forked.set()
        assert os.waitpid(child, 0)[1] == 0


def test_it_is_settled_only_once_it_was_asked_for(monkeypatch):
    monkeypatch.setattr(vocabulary, "_load", lambda: None)
    asked = Vocabulary()
    assert not asked.is_settled
    assert asked.count() is None
    assert asked.is_settled


def test_without_tiktoken_there_is_none_and_a_warning_says_so(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    asked = Vocabulary()
    assert [asked.count(), asked.count()] == [None, None]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_while_the_interpreter_ends_there_is_none_either(monkeypatch):
    def too_late(name):
        raise RuntimeError("can't register atexit after shutdown")

    monkeypatch.setattr(vocabulary, "importlib", SimpleNamespace(import_module=too_late))
    assert Vocabulary().count() is None


def run(code):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)


def test_without_tiktoken_characters_are_counted_and_that_is_said_once():
    code = """
import sys
sys.modules["tiktoken"] = None
from seawall_tokens import Estimator
params = {"model": "claude-opus-4-5", "messages": [{"role": "user", "content": "x" * 4000}]}
print(Estimator().estimate_text("x" * 4000, "claude-opus-4-5"), Estimator().estimate_request(params).tokens)
"""
    ran = run(code)
    assert ran.stdout.split() == ["952", "961"]
    assert ran.stderr.count("tiktoken cannot be imported") == 1


def test_it_loads_without_a_socket_and_only_when_asked():
    code = """
import socket, sys
def refused(*args, **kwargs):
    raise AssertionError("the network was used")
socket.socket = socket.create_connection = socket.getaddrinfo = refused
from seawall_tokens import Estimator, Tokens
Tokens()
assert "tiktoken" not in sys.modules
print(Estimator().estimate_text("hello world!", "claude-opus-4-5"))
"""
    assert run(code).stdout.strip() == "3"
