"""Copies of a protected client: protected as what they are."""

import anthropic
import httpx2
import pytest

import seawall
from calls import MESSAGES, MODEL
from seawall.middleware import account_of
from seawall_testkit import Simulator

ASK = {"model": MODEL, "max_tokens": 100, "messages": MESSAGES}
CLASSES = [anthropic.Anthropic, anthropic.AsyncAnthropic]


class Onlooker:
    """Keeps what a call tells of whose it is and where it goes."""

    def __init__(self):
        self.calls = []

    @seawall.hookimpl
    def pre_request(self, call):
        self.calls.append(call)


class Own(anthropic.Middleware):
    """The user's own."""

    def handle(self, request, call_next):
        return call_next(request)

    async def handle_async(self, request, call_next):
        return await call_next(request)


@pytest.mark.parametrize("make", ["copy", "with_options"])
def test_a_copy_is_protected_by_its_own_key_address_and_timeout(make):
    onlooker = Onlooker()
    with Simulator() as first, Simulator() as second:
        bare = anthropic.Anthropic(base_url=first.base_url, api_key="one")
        client = seawall.protect(bare, plugins=[onlooker])
        client.messages.create(**ASK)
        other = getattr(client, make)(base_url=second.base_url, api_key="two", timeout=7.0)
        other.messages.create(**ASK)
        other.with_options(timeout=8.0).messages.create(**ASK)
        client.messages.create(**ASK)
        theirs = anthropic.Anthropic(base_url=second.base_url, api_key="two")
    one, two = account_of(bare), account_of(theirs)
    assert [call.account for call in onlooker.calls] == [one, two, two, one]
    ports = [str(url).rpartition(":")[2] for url in (first.base_url, second.base_url)]
    assert [call.host.rpartition(":")[2] for call in onlooker.calls] == [ports[0], *ports[1:] * 2, ports[0]]
    assert [call.timeout for call in onlooker.calls] == [None, 7.0, 8.0, None]


@pytest.mark.parametrize("client_class", CLASSES)
def test_a_copy_is_of_the_same_type_and_has_all_that_was_asked_for(client_class):
    own = Own()
    client = seawall.protect(client_class(api_key="test", middleware=[own]), plugins=[])
    copied = client.with_options(default_headers={"x-tenant": "t"}, timeout=3.0)
    assert type(copied) is client_class
    assert copied.timeout == 3.0
    assert copied.default_headers["x-tenant"] == "t"
    assert copied.middleware[1:] == (own,)
    assert type(copied.middleware[0]) is type(client.middleware[0])


def test_a_copy_with_other_middleware_has_that():
    client = seawall.protect(anthropic.Anthropic(api_key="test"), plugins=[])
    assert client.with_options(middleware=[]).middleware == ()
    own = Own()
    copied = client.with_options(middleware=[own, *client.middleware])
    assert copied.middleware[0] is own


@pytest.mark.parametrize("retries", [0, 4])
def test_other_calls_of_a_copy_are_sent_as_often_as_it_says(retries):
    sent = []

    def answer(request):
        sent.append(request)
        said = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
        return httpx2.Response(529, json=said, headers={"retry-after-ms": "1"})

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
        bare = anthropic.Anthropic(api_key="test", http_client=http, max_retries=2)
        client = seawall.protect(bare, plugins=[]).with_options(max_retries=retries)
        with pytest.raises(anthropic.OverloadedError):
            client.messages.count_tokens(model=MODEL, messages=MESSAGES)
    assert len(sent) == 1 + retries
