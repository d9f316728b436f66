"""What cannot succeed is refused before it is uploaded."""

import anthropic
import pytest

import seawall
from calls import call as make_call
from seawall.call import Attempt, Call
from seawall.decisions import Amend, Reject
from seawall_testkit import Simulator
from seawall_tokens import Tokens, TokensSettings
from seawall_tokens.preflight import body_size, check


def call(model="claude-opus-5-5", **params):
    params = {"model": model, "max_tokens": 1_000, "messages": [], **params}
    return Call("1", params, stream=False, attempts=[Attempt(1, "send")])


def said(decision):
    assert isinstance(decision, Reject)
    assert isinstance(decision.error, seawall.RequestRejectedError)
    return str(decision.error)


def test_more_than_the_context_window_is_refused_with_the_numbers():
    text = said(check(call("claude-haiku-4-5"), 250_000, clamp=False))
    assert "250,000" in text
    assert "200,000" in text
    assert check(call(), 250_000, clamp=False) is None


def test_an_estimate_that_may_be_too_high_refuses_nothing():
    assert check(call("claude-haiku-4-5"), 215_000, clamp=False) is None


@pytest.mark.parametrize(("model", "most"), [("claude-sonnet-4-5", 64_000), ("claude-opus-5-5", 128_000)])
def test_more_output_than_the_model_can_write_is_refused_or_lowered(model, most):
    text = said(check(call(model, max_tokens=most + 1), 10, clamp=False))
    assert f"{most + 1:,}" in text
    assert f"{most:,}" in text
    assert "tokens.clamp" in text
    assert check(call(model, max_tokens=most + 1), 10, clamp=True) == Amend(params={"max_tokens": most})
    assert check(call(model, max_tokens=most), 10, clamp=False) is None


@pytest.mark.parametrize("model", ["claude-3-haiku-20240307", "claude-mythos-preview", "gpt-4", ""])
def test_of_a_model_that_is_not_known_nothing_is_refused(model):
    assert check(call(model, max_tokens=10**9), 10**9, clamp=False) is None


def test_a_body_that_the_api_does_not_take_is_refused():
    image = {"type": "image", "source": {"type": "base64", "data": "A" * 33_000_000}}
    text = said(check(call(messages=[{"role": "user", "content": [image]}]), 10, clamp=False))
    assert "33,0" in text
    assert "32,000,000" in text


def test_the_size_of_a_body_counts_bytes_and_bears_anything():
    assert body_size({"a": ["xy", {"b": "äö"}, 3, None, True], "c": "z"}) == 7
    assert body_size({"a": "\ud83d"}) == 1


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_nothing_is_sent_of_what_is_refused_and_what_is_lowered_succeeds(mode):
    with Simulator() as simulator:
        with pytest.raises(seawall.RequestRejectedError):
            make_call(simulator, mode, "create", [Tokens()], model="claude-haiku-4-5", max_tokens=64_001)
        assert simulator.requests == []
        clamping = Tokens(TokensSettings(clamp=True))
        got = make_call(simulator, mode, "create", ["streaming", clamping], max_tokens=500_000)
    assert got.message.stop_reason == "end_turn"
    assert simulator.requests[0].body["max_tokens"] == 128_000


def test_the_call_of_the_sdk_is_what_raises():
    with Simulator() as simulator, anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as client:
        protected = seawall.protect(client, plugins=[Tokens()])
        with pytest.raises(seawall.RequestRejectedError, match="max_tokens = 300,000"):
            protected.messages.create(model="claude-opus-5-5", max_tokens=300_000, messages=[])
