from __future__ import annotations

import anthropic
import pytest

from seawall_testkit import Fault, Limits, Simulator, blocks
from seawall_testkit.models import least_cacheable

MODEL = "claude-opus-5-5"
PROMPT = "Your previous response was interrupted and ended with '...'. Continue from where you left off."
LONG = "x" * 4_000
"""1,000 input tokens."""
FIVE_MINUTES = {"type": "ephemeral"}
ONE_HOUR = {"type": "ephemeral", "ttl": "1h"}


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sim(clock):
    with Simulator(clock=clock) as running:
        yield running


def marked(text=LONG, marker=FIVE_MINUTES):
    return {"type": "text", "text": text, "cache_control": marker}


def plain(text):
    return {"type": "text", "text": text}


def user(*content):
    return {"role": "user", "content": list(content)}


def usage_of(client, *messages, **parameters):
    """Tokens that were not cached, that were written, and that were read."""
    request = {"model": MODEL, "max_tokens": 50, "messages": list(messages), **parameters}
    usage = client.messages.create(**request).usage
    return usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens


def test_a_marked_prefix_is_written_and_read_back_by_the_next_request(connect, sim):
    client = connect(sim)
    assert usage_of(client, user(plain("Hi there")), system=[marked()]) == (2, 1000, 0)
    assert usage_of(client, user(plain("What now, my dear?")), system=[marked()]) == (5, 0, 1000)
    seen = sim.requests[1]
    assert (seen.input_tokens, seen.cache_creation_input_tokens, seen.cache_read_input_tokens) == (5, 0, 1000)
    billed = sim.billed
    assert (billed.input_tokens, billed.cache_creation_input_tokens, billed.cache_read_input_tokens) == (
        7,
        1000,
        1000,
    )


def test_a_stream_tells_the_same_usage_at_its_start_and_at_its_end(connect, sim):
    request = {"model": MODEL, "max_tokens": 50, "messages": [user(marked(), plain("Hi there"))]}
    for written, read in ((1000, 0), (0, 1000)):
        with connect(sim).messages.stream(**request) as stream:
            events = list(stream)
            usage = stream.get_final_message().usage
        start = next(event.message.usage for event in events if event.type == "message_start")
        end = next(event.usage for event in events if event.type == "message_delta")
        for told in (start, end, usage):
            assert (told.cache_creation_input_tokens, told.cache_read_input_tokens) == (written, read)
            assert told.input_tokens == 2
        assert usage.cache_creation.ephemeral_5m_input_tokens == written


def test_without_markers_nothing_is_cached(connect, sim):
    for _ in range(2):
        assert usage_of(connect(sim), user(plain(LONG))) == (1000, 0, 0)


def test_a_prefix_that_differs_anywhere_before_its_marker_is_not_read(connect, sim):
    client = connect(sim)
    tool = {"name": "book", "input_schema": {"type": "object"}}
    usage_of(client, user(marked()), system="Be kind.")
    assert usage_of(client, user(marked()), system="Be mean.")[2] == 0
    assert usage_of(client, user(marked("y" + LONG)), system="Be kind.")[2] == 0
    assert usage_of(client, user(marked()), system="Be kind.", tools=[tool])[2] == 0
    assert usage_of(client, user(marked()), system="Be kind.", model="claude-sonnet-5-5")[2] == 0
    assert usage_of(client, user(marked()), system="Be kind.")[2] == 1002


def test_tools_come_first_in_a_prefix(connect, sim):
    client = connect(sim)
    tools = [
        {
            "name": "book",
            "description": LONG,
            "input_schema": {"type": "object"},
            "cache_control": FIVE_MINUTES,
        }
    ]
    written = usage_of(client, user(plain("Hi there")), tools=tools)[1]
    assert written > 1000
    assert usage_of(client, user(plain("Hi")), system="Be kind.", tools=tools) == (3, 0, written)


@pytest.mark.parametrize(
    ("model", "least"),
    [
        ("claude-opus-5-5", 512),
        ("claude-haiku-5-5", 512),
        ("claude-fable-5-2", 512),
        ("claude-sonnet-5", 1_024),
        ("claude-opus-4-8", 1_024),
        ("claude-sonnet-4-6", 1_024),
        ("claude-opus-4-7", 2_048),
        ("claude-opus-4-6", 4_096),
        ("claude-haiku-4-5-20251001", 4_096),
    ],
)
def test_a_prefix_below_the_models_least_is_not_cached(connect, sim, model, least):
    client = connect(sim)
    short, enough = marked("x" * 4 * (least - 1)), marked("x" * 4 * least)
    assert least_cacheable(model) == least
    assert usage_of(client, user(short), model=model) == (least - 1, 0, 0)
    assert usage_of(client, user(enough), model=model) == (0, least, 0)


@pytest.mark.parametrize(("marker", "seconds"), [(FIVE_MINUTES, 300), (ONE_HOUR, 3600)])
def test_an_entry_lives_from_its_last_use_on(connect, sim, clock, marker, seconds):
    client = connect(sim)
    message = user(marked(marker=marker))
    usage_of(client, message)
    for _ in range(2):
        clock.now += seconds - 1
        assert usage_of(client, message) == (0, 0, 1000)
    clock.now += seconds
    assert usage_of(client, message) == (0, 1000, 0)


def test_both_lifetimes_are_told_apart(connect, sim):
    request = {"model": MODEL, "max_tokens": 9, "messages": [user(marked(marker=ONE_HOUR), marked())]}
    created = connect(sim).messages.create(**request).usage.cache_creation
    assert (created.ephemeral_1h_input_tokens, created.ephemeral_5m_input_tokens) == (1000, 1000)


def test_a_growing_conversation_reads_what_was_marked_before(connect, sim):
    client = connect(sim)
    first = user(marked())
    turns = [first, {"role": "assistant", "content": "Yes."}, user(marked("And then" * 100))]
    usage_of(client, first)
    assert usage_of(client, *turns) == (0, 201, 1000)
    later = [user(plain(LONG)), *turns[1:]]
    assert usage_of(client, *later) == (0, 0, 1201)


@pytest.mark.parametrize(("between", "read"), [(19, 1000), (20, 0)])
def test_an_entry_is_looked_for_twenty_blocks_before_a_marker(connect, sim, between, read):
    client = connect(sim)
    usage_of(client, user(marked()))
    content = [plain(LONG), *(plain("more") for _ in range(between)), marked("last")]
    assert usage_of(client, user(*content))[2] == read


def test_a_marker_of_the_request_marks_its_last_block(connect, sim):
    client = connect(sim)
    assert usage_of(client, user(plain(LONG)), cache_control=FIVE_MINUTES) == (0, 1000, 0)
    assert usage_of(client, user(plain(LONG)), cache_control=FIVE_MINUTES) == (0, 0, 1000)


def test_a_continuation_reads_the_prefix_and_may_mark_its_own_turn(connect, sim):
    client = connect(sim)
    question = user(marked(), plain("Tell me everything."))
    partial = sim.text_for([question])[:400].rstrip()
    usage_of(client, question)
    turns = [{"role": "assistant", "content": [marked(partial)]}, user(plain(PROMPT))]
    _, written, read = usage_of(client, question, *turns)
    assert read == 1000
    assert written == -(-len("Tell me everything." + partial) // 4)
    assert usage_of(client, question, *turns)[1:] == (0, 1000 + written)
    assert sim.requests[1].way == "user_turn"


def test_a_request_that_gets_no_answer_writes_nothing(connect, clock):
    with Simulator(clock=clock, faults=[Fault("status", status=529)]) as sim:
        client = connect(sim)
        with pytest.raises(anthropic.InternalServerError):
            usage_of(client, user(marked()))
        assert usage_of(client, user(marked())) == (0, 1000, 0)


def test_tokens_read_from_the_cache_do_not_count_against_the_limit(connect, clock):
    with Simulator(clock=clock, limits=Limits(itpm=2_100)) as sim:
        client = connect(sim)
        for _ in range(5):
            usage_of(client, user(marked(), plain("Hi there")))
        with pytest.raises(anthropic.RateLimitError):
            usage_of(client, user(plain(LONG + LONG)))
        assert sim.requests[-1].cache_read_input_tokens == 0


def test_markers_change_neither_the_conversation_nor_its_answer(connect):
    with Simulator(answer=[blocks.text()]) as sim:
        client = connect(sim)
        usage_of(client, user(marked()))
        usage_of(client, user(plain(LONG)))
        assert len({seen.conversation for seen in sim.requests}) == 1
