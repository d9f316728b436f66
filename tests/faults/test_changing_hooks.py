"""Hooks that answer something else for each attempt: the exact text all the same, or a typed error."""

import dataclasses
from typing import Any

import anthropic
from hypothesis import given, settings, strategies as st

import seawall
from calls import MESSAGES, SURFACES, Got, Witness, call
from seawall_testkit import Fault, Simulator
from seawall_testkit.grammar import violations

OTHER = "Something else was written here, and kept."
ANSWER = {
    "id": "msg_kept",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5-5",
    "content": [{"type": "text", "text": OTHER}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 9},
}
REQUESTS = {
    "nothing": None,
    "streamed": seawall.Amend(stream=True),
    "not streamed": seawall.Amend(stream=False),
    "generated again below 10,000 tokens": seawall.Amend(resume=seawall.Resume(continue_after_tokens=10_000)),
    "continued from the first token": seawall.Amend(resume=seawall.Resume(continue_after_tokens=0)),
    "tools held back": seawall.Amend(resume=seawall.Resume(hold="blocks")),
    "fewer tokens": seawall.Amend(params={"max_tokens": 32_000}),
    "another model": seawall.Redirect("claude-haiku-4-5", "it is there"),
    "a wait": seawall.Wait(0.0, "no hurry"),
    "an answer": seawall.Answer(ANSWER),
    "a refusal": seawall.Reject(seawall.RequestRejectedError("not now")),
}
ERRORS = {"again": seawall.Retry(0.0), "no opinion": None, "no more": seawall.GiveUp("enough")}
CHUNKS = {
    "nothing": None,
    "cut": seawall.Cut("silent"),
    "stopped": seawall.Stop("long enough"),
    "a mistake": LookupError("a mistake"),
}
MOST_ATTEMPTS = 10
FAULTS = {
    "none": None,
    "status": Fault("status", status=529),
    "no message": Fault("html"),
    "reset at once": Fault("reset", event=0),
    "reset early": Fault("reset", event=4),
    "reset late": Fault("reset", event=60),
    "end in between": Fault("eof", event=33),
    "half a frame": Fault("cut_frame", byte=5_000),
}


class Fickle:
    """A plugin that answers one thing for the first attempt, and others for the next ones."""

    name = "fickle"

    def __init__(
        self, requests: list[str], errors: list[str], chunks: list[tuple[int, str]], *, required: bool
    ) -> None:
        self.required = required
        self._requests = requests
        self._errors = errors
        self._chunks = chunks

    @seawall.hookimpl
    def pre_request(self, call: seawall.Call) -> Any:
        if call.attempt > len(self._requests) or call.attempt == call.state.get(self):
            return None
        call.state[self] = call.attempt
        return REQUESTS[self._requests[call.attempt - 1]]

    @seawall.hookimpl
    def on_chunk(self, call: seawall.Call, chunk: seawall.Chunk) -> Any:
        at, name = self._chunks[call.attempt - 1] if call.attempt <= len(self._chunks) else (0, "nothing")
        if call.attempts[-1].events != at:
            return None
        if isinstance(said := CHUNKS[name], Exception):
            raise said
        return said

    @seawall.hookimpl
    def on_error(self, call: seawall.Call) -> Any:
        said = self._errors[call.attempt - 1] if call.attempt <= len(self._errors) else "again"
        return ERRORS[said if call.attempt < MOST_ATTEMPTS else "no more"]


@dataclasses.dataclass
class Ended:
    """What became of a call: what the caller got, or why it got nothing."""

    got: Got | None
    error: Exception | None
    outcome: seawall.Outcome


def made(simulator: Simulator, mode: str, surface: str, fickle: Fickle) -> Ended:
    witness = Witness()
    try:
        got = call(simulator, mode, surface, [fickle, witness])
    except (anthropic.APIError, seawall.SeawallError) as error:
        return Ended(None, error, *witness.outcomes)
    return Ended(got, None, *witness.outcomes)


mostly = st.sampled_from(["again", "again", "again", "no opinion", "no more"])


@settings(derandomize=True, database=None, max_examples=150)
@given(
    st.sampled_from(SURFACES),
    st.lists(st.sampled_from(sorted(REQUESTS)), max_size=5),
    st.lists(mostly, max_size=4),
    st.lists(st.tuples(st.integers(0, 90), st.sampled_from(sorted(CHUNKS))), max_size=3),
    st.lists(st.sampled_from(sorted(FAULTS)), max_size=4),
    st.booleans(),
)
def test_what_hooks_say_of_one_attempt_and_of_the_next_never_garbles_the_text(  # noqa: PLR0917 - drawn
    way: tuple[str, str],
    requests: list[str],
    errors: list[str],
    chunks: list[tuple[int, str]],
    faults: list[str],
    required: bool,
) -> None:
    struck = [
        dataclasses.replace(fault, attempt=number)
        for number, name in enumerate(faults, 1)
        if (fault := FAULTS[name]) is not None
    ]
    with Simulator(faults=struck, answer_tokens=700) as simulator:
        whole = simulator.text_for(MESSAGES)
        ended = made(simulator, *way, Fickle(requests, errors, chunks, required=required))
    if ended.got is not None:
        assert ended.got.text in (whole, OTHER)
        assert violations(ended.got.events) == [] or not ended.got.events
        assert ended.outcome.status == "completed"
        return
    partial = getattr(ended.error, "partial_message", None)
    text = "".join(block.text for block in partial.content) if partial is not None else ""
    assert whole.startswith(text)
    assert ended.outcome.status in ("failed", "stopped")
