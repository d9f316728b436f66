"""The final error tells of all attempts."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import socket
from typing import Any

import anthropic
import pytest

import seawall
from backoff.virtual import REQUEST, answered
from seawall_backoff import Backoff, BackoffSettings
from seawall_backoff.history import said
from seawall_testkit import Fault, Simulator


def history(error: Exception) -> list[str]:
    """The lines of the note with the attempts."""
    notes = [note for note in error.__notes__ if note.startswith("Seawall's attempts:")]
    assert len(notes) == 1
    return notes[0].splitlines()[1:]


def test_each_attempt_has_a_line_with_its_time_its_model_its_failure_and_how_long_it_took(
    make_world: Any,
) -> None:
    failures = [answered(429), anthropic.APIConnectionError(request=REQUEST), answered(400)]
    world = make_world(api=lambda _: (failures.pop(0), 1.5), settings={"jitter": "none", "base": 2.0})
    error = world.call()["error"]
    assert history(error) == [
        "  1. 1970-01-12 13:46:40 UTC, claude-opus-5-5: RateLimitError (429), after 1.5 s",
        "  2. 1970-01-12 13:46:43 UTC, claude-opus-5-5: APIConnectionError, after 1.5 s",
        "  3. 1970-01-12 13:46:49 UTC, claude-opus-5-5: APIStatusError (400), after 1.5 s",
    ]


def test_a_call_that_was_held_until_it_was_given_up_tells_only_of_what_was_sent(make_world: Any) -> None:
    world = make_world(api=lambda _: answered(529), settings={"max_elapsed": 60.0})
    error = world.call()["error"]
    assert len(history(error)) == len(world.sent)


def test_a_deadline_tells_of_the_attempts_before_it(make_world: Any) -> None:
    world = make_world(api=lambda _: answered(429, retry_after="5"))
    error = world.call(deadline=12.0)["error"]
    assert isinstance(error, seawall.DeadlineExceededError)
    assert len(history(error)) == len(world.sent) == 3


def test_a_call_that_was_never_sent_has_none(make_world: Any) -> None:
    world = make_world(settings={"fallbacks": ["claude-sonnet-5-5"]})
    error = world.call(params={"thinking": {"type": "enabled"}})["error"]
    assert not any("attempts:" in note for note in error.__notes__)


def test_over_sockets_the_request_ids_are_told() -> None:
    faults = [Fault("status", attempt=number, status=status) for number, status in enumerate([429, 503], 1)]
    with Simulator(faults=[*faults, Fault("status", attempt=3, status=400)]) as simulator:
        bare = anthropic.Anthropic(base_url=simulator.base_url, api_key="test")
        client = seawall.protect(bare, plugins=[Backoff(BackoffSettings(base=0.001))])
        with bare, pytest.raises(anthropic.BadRequestError) as caught:
            client.messages.create(
                model="claude-opus-5-5", max_tokens=9, messages=[{"role": "user", "content": "Hello."}]
            )
    lines = history(caught.value)
    assert [re.search(r"\((\d+)\)", line)[1] for line in lines] == ["429", "503", "400"]  # type: ignore[index]
    assert len({re.search(r"req_\w+", line)[0] for line in lines}) == 3  # type: ignore[index]
    assert caught.value.request_id in lines[-1]


def refused(port: int) -> list[anthropic.APIConnectionError]:
    """What a sync and an async call end in at a port where nobody listens."""
    params: Any = {
        "model": "claude-opus-5-5",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    options: Any = {"base_url": f"http://127.0.0.1:{port}", "api_key": "test"}
    settings = BackoffSettings(base=0.001, max_attempts=2)

    async def ask() -> None:
        async with anthropic.AsyncAnthropic(**options) as bare:
            await seawall.protect(bare, plugins=[Backoff(settings)]).messages.create(**params)

    with anthropic.Anthropic(**options) as bare, pytest.raises(anthropic.APIConnectionError) as caught:
        seawall.protect(bare, plugins=[Backoff(settings)]).messages.create(**params)
    with pytest.raises(anthropic.APIConnectionError) as caught_async:
        asyncio.run(ask())
    return [caught.value, caught_async.value]


def test_what_the_system_says_of_a_connection_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "seawall")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    # Windows has words of its own
    words = f"APIConnectionError: {'' if os.name == 'nt' else os.strerror(errno.ECONNREFUSED)}"
    for error in refused(port):
        assert [words in line for line in history(error)] == [True, True]
    assert len(re.findall(rf"{words}.*, attempt 1 of 2", caplog.text)) == 2


@pytest.mark.parametrize(
    "cause", [OSError(), OSError("reset"), OSError("reset", "by peer"), ValueError(1)], ids=repr
)
def test_what_has_no_number_of_the_system_has_no_words_of_it(cause: Exception) -> None:
    error = anthropic.APIConnectionError(request=REQUEST)
    error.__cause__ = cause
    assert said(error) == "APIConnectionError"
