"""Bytes to frames to events and back, against the grammar of server-sent events."""

import codecs
import json

import pytest
from hypothesis import example, given, settings, strategies as st

from seawall.assembly import Assembly
from seawall.frames import FrameBuffer, events_of, frame_of, parse
from seawall_testkit.grammar import violations

deterministic = settings(derandomize=True, database=None, print_blob=True)
LINE_ENDS = ["\n", "\r\n", "\r"]
PING = b'event: ping\ndata: {"type": "ping"}\n\n'

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=6,
)
events = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    st.sampled_from(["ping", "content_block_delta", "a_type_of_tomorrow"]),
    st.dictionaries(st.text(), json_values, max_size=3),
)
other_lines = st.sampled_from([": a comment", ":", "id: 7", "retry: 3000", "id", "unknown: field", "unknown"])


@st.composite
def bodies(draw) -> bytes:
    """Valid streams: any line ends, also mixed; comments, unknown fields, several data and blank lines."""
    pieces = []
    for event in draw(st.lists(events, max_size=4)):
        lines = [draw(st.sampled_from(["event: ", "event:"])) + event["type"]]
        data = json.dumps(event, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
        lines += [draw(st.sampled_from(["data: ", "data:"])) + line for line in data.split("\n")]
        for line in draw(st.lists(other_lines, max_size=2)):
            lines.insert(draw(st.integers(0, len(lines))), line)
        pieces += [line + draw(st.sampled_from(LINE_ENDS)) for line in lines]
        blank = "".join(draw(st.lists(st.sampled_from(LINE_ENDS), min_size=1, max_size=3)))
        if pieces[-1].endswith("\r") and blank.startswith("\n"):
            # together they would be one line end, and no blank line
            blank = "\n" + blank
        pieces.append(blank)
    text = "".join(pieces)
    return text.encode(errors="surrogatepass")


@st.composite
def cuts(draw, body: bytes) -> list[bytes]:
    points = sorted(draw(st.lists(st.integers(0, len(body)), max_size=12)))
    return [body[start:end] for start, end in zip([0, *points], [*points, len(body)], strict=True)]


def cut_into_frames(pieces: list[bytes]) -> tuple[list[bytes], bytes]:
    buffer = FrameBuffer()
    return [frame for piece in pieces for frame in buffer.feed(piece)], buffer.rest


@deterministic
@given(st.data())
def test_frames_and_their_bytes_do_not_depend_on_how_the_network_cuts_them(data):
    body = data.draw(bodies())
    whole = cut_into_frames([body])
    assert cut_into_frames(data.draw(cuts(body))) == whole
    assert cut_into_frames([bytes([byte]) for byte in body]) == whole
    assert b"".join(whole[0]) + whole[1] == body


@deterministic
@given(bodies())
def test_the_events_of_a_stream_are_found_whatever_its_line_ends(body):
    frames, rest = cut_into_frames([body])
    found = [event for frame in [*frames, rest] if (event := parse(frame)[1]) is not None]
    # the same stream by the letter of the grammar: lines first, then events
    text = body.decode(errors="surrogatepass").replace("\r\n", "\n").replace("\r", "\n")
    expected, data = [], []
    for line in text.split("\n"):
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and data:
            expected.append(json.loads("\n".join(data)))
            data = []
    assert found == expected


@pytest.mark.parametrize(
    "blank", [a + b for a in LINE_ENDS for b in LINE_ENDS if (a, b) != ("\r", "\n")], ids=repr
)
def test_every_pair_of_line_ends_ends_a_frame(blank):
    first, second = f'event: ping{blank[0]}data: {{"a": 1}}{blank}'.encode(), b"data: {}\n\n"
    assert cut_into_frames([first + second]) == ([first, second], b"")
    assert cut_into_frames([bytes([byte]) for byte in first + second]) == ([first, second], b"")


def test_a_crlf_is_one_line_end_wherever_it_is_cut():
    body = b"event: ping\r\ndata: {}\r\n"
    assert cut_into_frames([body]) == cut_into_frames([bytes([byte]) for byte in body]) == ([], body)


def test_a_cr_at_the_end_waits_for_the_byte_that_tells_whether_it_is_half_of_a_crlf():
    buffer = FrameBuffer()
    assert buffer.feed(b"data: {}\r\n\r") == []
    assert buffer.feed(b"\ndata: {}") == [b"data: {}\r\n\r\n"]
    assert buffer.rest == b"data: {}"


def test_the_rest_is_what_has_no_blank_line_yet():
    buffer = FrameBuffer()
    assert buffer.feed(PING + PING[:9]) == [PING]
    assert buffer.rest == PING[:9]
    assert buffer.feed(PING[9:]) == [PING]
    assert buffer.rest == b""


def test_what_was_searched_for_a_blank_line_is_not_searched_again():
    # a search of all that is held for each new byte would look at 80,000 million bytes, and take minutes
    frame = b'data: {"a": "' + b"x" * 400_000 + b'"}\n\n'
    assert cut_into_frames([frame[start : start + 1] for start in range(len(frame))]) == ([frame], b"")


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (PING, ("ping", {"type": "ping"})),
        (b'event:ping\ndata:{"a":1}\n\n', ("ping", {"a": 1})),
        (b'data: {"a": 1}\n\n', ("message", {"a": 1})),
        (b'data: {"a": 1}\nevent: late\n\n', ("late", {"a": 1})),
        (b'event: a\ndata: {"a":\ndata: 1}\n\n', ("a", {"a": 1})),
        (b'event: a\ndata: {"a": 1}\nid: 7\nretry: 3000\n: c\n\n', ("a", {"a": 1})),
        (b'event: a\rdata: {"a": 1}\r\r', ("a", {"a": 1})),
        (b'event: a\r\ndata: {"a": 1}\r\n\r\n', ("a", {"a": 1})),
        (b'event: a\ndata: {"a": 1}', ("a", {"a": 1})),
        (b'event: a\ndata: {"a": 1}      \n\n', ("a", {"a": 1})),
        (codecs.BOM_UTF8 + b'event: a\ndata: {"a": 1}\n\n', ("a", {"a": 1})),
        (b'event: a\ndata: {"a": "\\ud83d"}\n\n', ("a", {"a": "\ud83d"})),
        (b'event: a\ndata: {"a": "\\u0000"}\n\n', ("a", {"a": "\0"})),
        ('event: a\ndata: {"a": "\u2028\u0085"}\n\n'.encode(), ("a", {"a": "\u2028\u0085"})),
        (b": comment\n\n", ("message", None)),
        (b"retry: 3000\nid: 1\n\n", ("message", None)),
        (b"event: ping\n\n", ("ping", None)),
        (b"event: ping\ndata\n\n", ("ping", None)),
        (b"event: ping\ndata:\n\n", ("ping", None)),
        (b"\n\n", ("message", None)),
        (b"", ("message", None)),
    ],
    ids=repr,
)
def test_a_frame_is_read_as_the_grammar_says(frame, expected):
    assert parse(frame) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        b"[1]",
        b"null",
        b'"a"',
        b'{"a": 1',
        b'{"a": 1} {"b": 2}',
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\xbd"}',
        b'{"a": "\0"}',
        b"\0{\0}",
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda data: repr(data[:20]),
)
def test_data_that_is_no_json_object_is_a_value_error_in_events_of_the_api_only(data):
    for name in (b"message_start", b"content_block_delta", b"message_stop", b"ping", b"error"):
        with pytest.raises(ValueError, match=r"."):
            parse(b"event: " + name + b"\ndata: " + data + b"\n\n")
    assert parse(b"event: of_tomorrow\ndata: " + data + b"\n\n") == ("of_tomorrow", None)


def test_an_event_name_that_is_no_utf_8_is_a_value_error():
    with pytest.raises(ValueError, match="utf-8"):
        parse(b"event: \xff\ndata: {}\n\n")


PING = b'event: ping\ndata: {"type": "ping"}\n\n'


def test_a_whole_frame_as_the_api_writes_it_is_read_at_once():
    assert FrameBuffer().whole(PING) == ("ping", {"type": "ping"}) == parse(PING)


@pytest.mark.parametrize(
    "data",
    [
        PING * 2,
        PING[:-1],
        PING[:-1] + b" ",
        PING[:-1] + b"\r",
        PING.replace(b"\n", b"\r\n"),
        PING.replace(b"}", b"}\ndata: 1"),
        PING.replace(b"}\n", b"}\nid: 1\n"),
        PING.replace(b"ping\n", b"of tomorrow\n"),
        PING.replace(b"}", b""),
        b"event: ping\ndata: 1\n\n",
        b": comment\n\n",
        b"\n\n",
        b"",
    ],
)
def test_anything_else_is_looked_at_closer(data):
    assert FrameBuffer().whole(data) is None


def test_the_rest_of_a_frame_is_never_taken_for_a_whole_one():
    buffer = FrameBuffer()
    buffer.feed(b": ")
    assert buffer.whole(PING) is None


@deterministic
@given(events)
@example({"type": "a", "text": "\ud83d"})
@example({"type": "a", "text": "\r\n\n\x85\u2028 \U0001f642"})
def test_an_event_survives_its_frame(event):
    frame = frame_of(event)
    assert cut_into_frames([frame]) == ([frame], b"")
    assert frame.decode()  # also with half a surrogate pair: the SDK decodes strictly
    assert parse(frame) == (event["type"], event)


def test_a_frame_is_written_as_the_api_writes_it():
    assert (
        frame_of({"type": "a", "text": "\u00e9\n"})
        == 'event: a\ndata: {"type":"a","text":"\u00e9\\n"}\n\n'.encode()
    )


CITATION = {
    "type": "char_location",
    "cited_text": "x",
    "document_index": 0,
    "start_char_index": 0,
    "end_char_index": 1,
}
BLOCKS = {
    "text": {"type": "text", "text": "Hello \U0001f642", "citations": None},
    "text without a citations field": {"type": "text", "text": "Hello"},
    "empty text": {"type": "text", "text": ""},
    "cited text": {"type": "text", "text": "x", "citations": [CITATION, {**CITATION, "document_index": 1}]},
    "thinking": {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
    "thinking not shown": {"type": "thinking", "thinking": "", "signature": "c2ln"},
    "redacted thinking": {"type": "redacted_thinking", "data": "Zm9v"},
    "tool use": {
        "type": "tool_use",
        "id": "t",
        "name": "f",
        "input": {"a": [1, "\u00e9"]},
        "caller": {"type": "direct"},
    },
    "tool use without input": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    "server tool use": {"type": "server_tool_use", "id": "t", "name": "web_search", "input": {"query": "x"}},
    "mcp tool use": {"type": "mcp_tool_use", "id": "t", "name": "f", "server_name": "s", "input": {"a": 1}},
    "tool result": {"type": "web_search_tool_result", "tool_use_id": "t", "content": [{"url": "https://a"}]},
    "compaction": {"type": "compaction", "content": "Summary", "encrypted_content": "Zm9v"},
    "a block of tomorrow": {"type": "hologram", "depth": {"x": 1}},
}


def message_of(*content, **fields):
    ending = {"stop_reason": "end_turn", "stop_sequence": None}
    usage = {"input_tokens": 3, "output_tokens": 5, "service_tier": "standard"}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-5-5"}
    return {**head, "content": list(content), **ending, "usage": usage, **fields}


def folded(stream):
    assembly = Assembly()
    for event in stream:
        assembly.add(event)
    return assembly


@pytest.mark.parametrize("name", BLOCKS)
def test_the_events_of_a_message_fold_to_it_and_are_those_of_the_api(name):
    message = message_of(BLOCKS[name], BLOCKS["text"], BLOCKS[name])
    assert violations(events_of(message)) == []
    assembly = folded(events_of(message))
    assert assembly.message() == message
    assert assembly.complete
    assert assembly.has_stopped


@pytest.mark.parametrize(
    "fields",
    [
        {"stop_reason": "stop_sequence", "stop_sequence": "\n\n"},
        {"stop_reason": "refusal", "stop_details": {"category": "cyber"}},
        {"stop_details": None},
        {
            "container": {"id": "c", "expires_at": "2026-01-01T00:00:00Z"},
            "context_management": {"applied_edits": []},
        },
        {"content": []},
        {"a_field_of_tomorrow": [1]},
    ],
    ids=repr,
)
def test_the_fields_of_a_message_survive_its_events(fields):
    message = message_of(BLOCKS["text"], **fields)
    assert folded(events_of(message)).message() == message


def test_the_start_of_a_streamed_message_tells_nothing_of_its_end():
    details = {"category": "cyber"}
    start = next(events_of(message_of(BLOCKS["text"], stop_reason="refusal", stop_details=details)))[
        "message"
    ]
    assert (start["content"], start["stop_reason"], start["stop_details"]) == ([], None, None)


@deterministic
@given(st.lists(st.sampled_from(sorted(BLOCKS)), max_size=6))
def test_any_order_of_blocks_survives_frames_and_folding(names):
    message = message_of(*(BLOCKS[name] for name in names))
    body = b"".join(frame_of(event) for event in events_of(message))
    frames, rest = cut_into_frames([body])
    assert rest == b""
    assert folded(parse(frame)[1] for frame in frames).message() == message
