"""Streams that a broken gateway mangles in any way that can be noticed: exact or a typed error, never short.

The answers are those of the simulator over a socket; what reaches the client was cut, lost an event of its
frame, had one twice, or held what no event holds. A lost or altered piece of text is not among it: nobody
could tell.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import given, settings, strategies as st

import seawall
from calls import MESSAGES, plugins
from seawall.frames import FrameBuffer, frame_of, parse
from seawall_testkit import Simulator, blocks

deterministic = settings(derandomize=True, database=None, print_blob=True, deadline=None, max_examples=150)

TOOL = {"name": "look_up", "description": "Looks a ship up.", "input_schema": {"type": "object"}}
ANSWER = [
    blocks.thinking(),
    blocks.text(tokens=30),
    blocks.text(" And so on. ", seed=1),
    blocks.text(tokens=20, seed=2),
    blocks.tool_use("look_up", {"name": "Vasa", "year": 1628}),
]
TEXT = "".join(block.get("text", "") for block in ANSWER)
ASKED: dict[str, Any] = {"max_tokens": 64_000, "messages": MESSAGES, "tools": [TOOL]}
MODELS: dict[str, dict[str, Any]] = {
    "claude-opus-5-5": {"thinking": {"type": "adaptive"}},
    "claude-haiku-4-5": {},
}
HOLDS = ("none", "blocks")
JUNK = (
    b"data: [DONE]\n\n",
    b": keep-alive\n\n",
    b"\n\n",
    b"event: ping\n\n",
    b"event: novelty\ndata: none\n\n",
    b"event: novelty\ndata: {}\n\n",
    b"event: content_block_delta\ndata: {\n\n",
    b"event: content_block_delta\ndata: []\n\n",
    b"event: content_block_delta\ndata: \xff\n\n",
    b"event: \xff\ndata: {}\n\n",
    b"<html>\r\n<body>Bad gateway</body>\r\n\r\n",
    frame_of({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    frame_of({"type": "error", "error": None}),
    frame_of({"type": "content_block_stop", "index": 0}),
    frame_of({"type": "message_stop", "index": 7}),
)


@dataclass(frozen=True)
class Mangle:
    """What happens to the frames of one answer; `at` is a share of them."""

    how: str
    at: float
    value: Any = None

    def __call__(self, frames: list[bytes]) -> bytes:
        place = int(self.at * len(frames))
        match self.how:
            case "cut":
                body = b"".join(frames)
                return body[: int(self.at * len(body))]
            case "junk":
                frames.insert(place, self.value)
            case "lost" if is_structure(frames[place]):
                del frames[place]
            case "twice" if is_structure(frames[place]):
                frames.insert(place, frames[place])
            case "field":
                frames[place] = altered(frames[place], *self.value)
            case "nameless":
                frames[place] = frames[place].partition(b"\n")[2]
            case "first":
                del frames[:place]
        return b"".join(frames)


def is_structure(frame: bytes) -> bool:
    """Whether the loss of an event, or one too many, can be noticed."""
    return parse(frame)[0] != "content_block_delta"


def altered(frame: bytes, path: tuple[str, ...], value: object) -> bytes:
    """The frame with another value at `path`, if it has one."""
    _, event = parse(frame)
    within: Any = event
    for key in path[:-1]:
        within = within.get(key) if isinstance(within, dict) else None
    if isinstance(within, dict) and path[-1] in within:
        within[path[-1]] = value
    return frame_of(event or {})


no_texts = st.sampled_from([None, 7, -1, 0.5, True, [], [None], {}])
texts = st.sampled_from([("delta", name) for name in ("text", "partial_json", "thinking")])
others = st.sampled_from([("index",), ("delta",), ("content_block",), ("message",), ("usage",)])
fields = st.tuples(texts, no_texts) | st.tuples(others, no_texts | st.sampled_from(["0", "novelty"]))
shares = st.floats(0, 1, exclude_max=True)
mangles = st.one_of(
    st.builds(Mangle, st.sampled_from(["cut", "lost", "twice", "nameless", "first"]), shares),
    st.builds(Mangle, st.just("junk"), shares, st.sampled_from(JUNK)),
    st.builds(Mangle, st.just("field"), shares, fields),
)


class Gateway(httpx2.HTTPTransport):
    """Mangles one answer after the other; those after that come as they are."""

    def __init__(self, mangling: list[Mangle]) -> None:
        super().__init__()
        self._mangling = list(mangling)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = super().handle_request(request)
        if self._mangling:
            frames = FrameBuffer().feed(response.read())
            headers = {"content-type": response.headers["content-type"]}
            body = self._mangling.pop(0)(frames)
            response = httpx2.Response(response.status_code, headers=headers, content=body)
        return response


@dataclass(frozen=True)
class Way:
    """How an answer is asked for."""

    model: str
    surface: str
    hold: str

    def received(self, server: Simulator, mangling: list[Mangle]) -> Any:
        """What a caller gets."""
        options: dict[str, Any] = {"base_url": server.base_url, "api_key": "test"}
        asked = {"model": self.model, **ASKED, **MODELS[self.model]}
        with anthropic.Anthropic(**options, http_client=httpx2.Client(transport=Gateway(mangling))) as bare:
            client = seawall.protect(bare, plugins=plugins(hold=self.hold))
            if self.surface == "Message":
                return client.messages.create(**asked)
            with client.messages.stream(**asked) as stream:
                return stream.get_final_message()

    def outcome(self, server: Simulator, mangling: list[Mangle]) -> tuple[Any, Exception | None]:
        """What a caller gets: the message; what there is of it, and the error."""
        try:
            return self.received(server, mangling), None
        except (anthropic.APIError, seawall.SeawallError) as error:
            return error.partial_message, error  # type: ignore[union-attr]


def text(message: Any) -> str:
    content = message.content if message is not None else ()
    return "".join(block.text for block in content if block.type == "text")


def tools(message: Any) -> list[Any]:
    return [block.input for block in message.content if block.type == "tool_use"]


@pytest.fixture(scope="module")
def server() -> Iterator[Simulator]:
    with Simulator(answer=ANSWER) as simulator:
        yield simulator


@deterministic
@given(
    st.lists(mangles, min_size=1, max_size=3),
    st.builds(
        Way, st.sampled_from(list(MODELS)), st.sampled_from(["Message", "stream"]), st.sampled_from(HOLDS)
    ),
)
def test_a_mangled_stream_ends_in_the_exact_answer_or_a_typed_error(
    server: Simulator, mangling: list[Mangle], way: Way
) -> None:
    message, error = way.outcome(server, mangling)
    if error is None:
        assert text(message) == TEXT
        assert tools(message) == [ANSWER[-1]["input"]]
    else:
        assert way.surface == "stream"
        assert TEXT.startswith(text(message))
