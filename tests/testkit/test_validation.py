from __future__ import annotations

import json
import math

import anthropic
import httpx2
import pytest

from recordings import needs_recordings, recordings
from seawall_testkit import Simulator, Switches
from seawall_testkit.headers import VERSIONS
from seawall_testkit.models import CATALOGUE, OF_THE_SDK
from seawall_testkit.parameters import check_message_parameters

MESSAGES = [{"role": "user", "content": "Tell me everything."}]
BODY = {"model": "claude-opus-5-5", "max_tokens": 1000, "messages": MESSAGES}
KEY = {"x-api-key": "secret"}
JSON = {"content-type": "application/json"}
VERSION = {"anthropic-version": "2023-06-01"}
LATEST = {"anthropic-version": "2026-10-21"}
HEADERS = KEY | VERSION | JSON
TOOLS = [{"name": "book", "input_schema": {}}]
OLD = {"model": "claude-sonnet-4-5"}


def post(sim, body=None, *, headers=None, path="/v1/messages", **raw):
    payload = raw or {"json": body}
    return httpx2.post(sim.base_url + path, headers=HEADERS if headers is None else headers, **payload)


def without(name):
    return {key: value for key, value in BODY.items() if key != name}


COUNT = without("max_tokens")


def said(*turns):
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


USE = {"type": "tool_use", "id": "toolu_1", "name": "book", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "x"}
REFUSED = {
    "no model": without("model"),
    "no max_tokens": without("max_tokens"),
    "no messages": without("messages"),
    "empty messages": BODY | {"messages": []},
    "negative max_tokens": BODY | {"max_tokens": -1},
    "text max_tokens": BODY | {"max_tokens": "9"},
    "too many max_tokens": BODY | {"max_tokens": 128_001},
    "assistant first": BODY | said(("assistant", "Hi"), ("user", "Hi")),
    "unknown role": BODY | said(("robot", "Hi")),
    "empty content": BODY | said(("user", "")),
    "empty list": BODY | said(("user", [])),
    "empty text": BODY | said(("user", [{"type": "text", "text": ""}])),
    "blank text": BODY | said(("user", [{"type": "text", "text": " \n"}])),
    "no type": BODY | said(("user", [{"text": "Hi"}])),
    "prefill with white space": BODY | OLD | said(("user", "Hi"), ("assistant", "Well ")),
    "prefill with thinking": BODY
    | OLD
    | said(("user", "Hi"), ("assistant", "Well"))
    | {"max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1024}},
    "no tool result": BODY | said(("user", "Hi"), ("assistant", [USE]), ("user", "Hi")),
    "no tool use": BODY | said(("user", "Hi"), ("assistant", "Well."), ("user", [RESULT])),
    "budget of all": BODY
    | OLD
    | {"max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 2000}},
    "small budget": BODY | OLD | {"thinking": {"type": "enabled", "budget_tokens": 1023}},
    "enabled on a newer model": BODY | {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    "adaptive on an older model": BODY | OLD | {"thinking": {"type": "adaptive"}},
    "disabled where always on": BODY | {"thinking": {"type": "disabled"}},
    "forced tool": BODY | {"tools": TOOLS, "tool_choice": {"type": "any"}},
    "forced without tools": BODY | OLD | {"tool_choice": {"type": "any"}},
    "forced unknown tool": BODY | OLD | {"tools": TOOLS, "tool_choice": {"type": "tool", "name": "cook"}},
    "unknown choice": BODY | {"tools": TOOLS, "tool_choice": {"type": "maybe"}},
    "nameless tool": BODY | {"tools": [{}]},
    "a list as role": BODY | {"messages": [{"role": ["user"], "content": "Hi"}]},
    "a list as type of thinking": BODY | {"thinking": {"type": ["adaptive"]}},
    "a list as type of choice": BODY | {"tools": TOOLS, "tool_choice": {"type": ["auto"]}},
    "a list as name of a tool": BODY | {"tools": [{"name": ["book"]}], "tool_choice": {"type": "auto"}},
    "a list as lifetime": BODY
    | said(("user", [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral", "ttl": []}}])),
    "text as output_config": BODY | {"output_config": "json"},
    "text as format": BODY | {"output_config": {"format": "json"}},
    "no schema": BODY | {"output_config": {"format": {"type": "json_schema"}}},
    "a schema of nothing": BODY
    | {"output_config": {"format": {"type": "json_schema", "schema": {"$ref": "#"}}}},
    "a schema without a type": BODY
    | {"output_config": {"format": {"type": "json_schema", "schema": {"type": []}}}},
    "a tool without a schema": BODY | {"tools": [{"name": "book"}]},
    "a number as schema of a tool": BODY | {"tools": [{"name": "book", "input_schema": 3}]},
    "two tools of one name": BODY | {"tools": TOOLS * 2},
    "a list as type of a tool": BODY | {"tools": [TOOLS[0] | {"type": []}]},
    "a number as system": BODY | {"system": 5},
    "a block as system": BODY | {"system": {"type": "text", "text": "Hi"}},
    "a text in a list as system": BODY | {"system": ["Hi"]},
    "an image as system": BODY | {"system": [{"type": "image"}]},
    "a blank text as system": BODY | {"system": [{"type": "text", "text": " "}]},
    "text as stream": BODY | {"stream": "yes"},
    "a number as stream": BODY | {"stream": 1},
    "forced tool with a budget of thinking": BODY
    | OLD
    | {"max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    | {"tools": TOOLS, "tool_choice": {"type": "any"}},
    "unknown effort": BODY | {"output_config": {"effort": "huge"}},
    "a list as effort": BODY | {"output_config": {"effort": ["low"]}},
    "an effort of newer models": BODY | {"model": "claude-opus-4-6", "output_config": {"effort": "xhigh"}},
    "disabled at the highest effort": BODY
    | {"model": "claude-haiku-5-5", "thinking": {"type": "disabled"}, "output_config": {"effort": "max"}},
    "between tools on an older model": BODY | OLD | {"thinking": {"type": "between_tools"}},
    "between tools on another model": BODY | {"thinking": {"type": "between_tools"}},
    "a prompt that is too long": BODY | OLD | {"system": "x" * 4 * 200_000},
    "blank stop sequence": BODY | {"stop_sequences": [" "]},
}


@pytest.fixture(scope="module")
def sim():
    with Simulator() as running:
        yield running


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_request_is_refused_with_the_apis_body(sim, name):
    response = post(sim, REFUSED[name])
    body = response.json()
    assert (response.status_code, body["type"], body["error"]["type"]) == (
        400,
        "error",
        "invalid_request_error",
    )
    assert body["request_id"] == response.headers["request-id"]
    assert body["request_id"].startswith("req_")
    assert len(body["request_id"]) == 28
    assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    "extra",
    [
        {"tools": TOOLS, "tool_choice": {"type": "auto"}},
        OLD | {"tools": TOOLS, "tool_choice": {"type": "tool", "name": "book"}},
        {"thinking": {"type": "adaptive"}},
        said(("user", "Hi"), ("assistant", [USE]), ("user", [RESULT])),
        {"system": [{"type": "text", "text": "Be kind."}]},
        {"system": "x" * 4 * 200_000},
        {"model": "claude-opus-4-7", "output_config": {"effort": "xhigh"}},
        {"model": "claude-opus-4-6", "output_config": {"effort": "max"}},
        {"model": "claude-haiku-5-5", "thinking": {"type": "disabled"}, "output_config": {"effort": "high"}},
        {"model": "claude-sonnet-5-5", "thinking": {"type": "between_tools"}},
        {"model": "claude-opus-4-6", "thinking": {"type": "adaptive"}}
        | {"tools": TOOLS, "tool_choice": {"type": "any"}},
    ],
)
def test_a_right_request_is_answered(sim, extra):
    assert post(sim, BODY | extra).status_code == 200


def test_sampling_parameters_are_refused_since_their_version(sim):
    body = BODY | OLD | {"temperature": 0.5}
    assert post(sim, body, headers=HEADERS | LATEST).status_code == 400
    assert post(sim, body, headers=HEADERS).status_code == 200


THINKING = {"max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1024}}


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"temperature": 0.5, "top_p": 0.9}, "`temperature` and `top_p` cannot both be specified"),
        ({"temperature": 1.1}, "temperature: range: 0..1"),
        ({"temperature": -0.1}, "temperature: range: 0..1"),
        ({"temperature": "1"}, "temperature: range: 0..1"),
        ({"temperature": True}, "temperature: range: 0..1"),
        ({"top_p": 2}, "top_p: range: 0..1"),
        ({"top_k": -2}, "top_k: Input should be an integer"),
        ({"top_k": 1.5}, "top_k: Input should be an integer"),
        (THINKING | {"temperature": 0.5}, "`temperature` may only be set to 1 when thinking is enabled."),
        (THINKING | {"top_p": 0.5}, "`top_p` must be greater than or equal to 0.95"),
        (THINKING | {"top_k": 5}, "`top_k` must be unset when thinking is enabled."),
        ({"model": "claude-opus-4-7", "temperature": 0.5}, "`temperature` is deprecated for this model."),
        ({"model": "claude-haiku-5-5", "top_k": 5}, "`top_k` is deprecated for this model."),
        ({"model": "claude-mythos-preview", "top_p": 0.9}, "`top_p` is deprecated for this model."),
    ],
)
def test_sampling_parameters_that_a_model_does_not_take_are_refused(sim, extra, said):
    response = post(sim, BODY | OLD | extra)
    assert (response.status_code, response.json()["error"]["message"][: len(said)]) == (400, said)


@pytest.mark.parametrize(
    "extra",
    [
        {"temperature": 0, "top_k": 0},
        {"top_k": -1},
        {"temperature": 1.0},
        {"top_p": 0.2},
        {"temperature": None},
        THINKING | {"temperature": 1},
        THINKING | {"top_p": 0.95},
        {"model": "claude-opus-4-6", "thinking": {"type": "adaptive"}, "temperature": 1.0},
        {"model": "claude-sonnet-4-0", "temperature": 0.2, "top_p": 0.9},
        {"model": "claude-opus-5-5", "temperature": None},
    ],
)
def test_sampling_parameters_that_a_model_takes_are_taken(sim, extra):
    assert post(sim, BODY | OLD | extra).status_code == 200


DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Ships."}}
CITATION = {"type": "char_location", "cited_text": "x", "document_index": 0}


@pytest.mark.parametrize(
    "extra",
    [
        said(("user", "Hi"), ("assistant", [DOCUMENT]), ("user", "Hi")),
        said(("user", [{"type": "text", "text": "x", "citations": [CITATION]}])),
    ],
    ids=["documents of the assistant", "citations of the user"],
)
def test_blocks_that_the_latest_version_does_not_take_are_refused_since_then(sim, extra):
    body = BODY | extra
    assert post(sim, body, headers=HEADERS | LATEST).status_code == 400
    assert post(sim, body, headers=HEADERS).status_code == 200


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_what_is_no_json_object_is_refused(sim, content):
    assert post(sim, content=content).status_code == 400


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(BODY | {"model": "claude-\ud800"}).encode(),
        json.dumps(BODY | {"metadata": {"user_id": "\udc00"}}).encode(),
        json.dumps(BODY | {"metadata": {"\ud800": "x"}}).encode(),
        json.dumps(BODY | {"metadata": {"user_id": math.nan}}).encode(),
        json.dumps(BODY | {"metadata": {"user_id": -math.inf}}).encode(),
        json.dumps(BODY).encode("utf-16"),
    ],
    ids=["half a character", "the other half", "in a name", "NaN", "infinity", "UTF-16"],
)
def test_what_only_python_takes_for_json_is_refused(sim, content):
    response = post(sim, content=content)
    assert response.status_code == 400
    assert "not valid JSON" in response.json()["error"]["message"]


UNKNOWN = [
    "gpt-9",
    "claude-4-5-haiku",
    "claude-sonet-4-5",
    "claude-opus-9",
    "claude-opus-5-5-latest",
    "claude-opus-5-5-2026",
    "claude-haiku-4-6",
    "claude-sonnet-5-1",
    "claude-3-5-haiku",
    "claude-3-6-sonnet-20241022",
    "Claude-opus-5-5",
    "claude-opus-5-5 ",
    "claude-opus",
    "claude-",
    "",
]


@pytest.mark.parametrize("model", UNKNOWN)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_an_unknown_model_is_not_found(sim, path, model):
    response = post(sim, (COUNT if "count" in path else BODY) | {"model": model}, path=path)
    error = {"type": "not_found_error", "message": f"model: {model}"}
    assert (response.status_code, response.json()["error"]) == (404, error)


RECORDED = {
    "claude-opus-4-1-20250805",
    "claude-sonnet-4-0",
    "claude-sonnet-4-20250514",
    "claude-3-7-sonnet-20250219",
    "claude-3-5-haiku-latest",
    "claude-3-opus-20240229",
    "claude-2.1",
}


@pytest.mark.parametrize("model", sorted({*CATALOGUE, *OF_THE_SDK, *RECORDED}))
def test_models_of_the_sdk_and_of_recordings_are_known(sim, model):
    found = httpx2.get(f"{sim.base_url}/v1/models/{model}", headers=HEADERS)
    assert (found.status_code, found.json()["id"]) == (200, model)


def test_a_simulator_can_be_told_of_more_models():
    with Simulator(more_models=["claude-next"]) as sim:
        assert post(sim, BODY | {"model": "claude-next"}).status_code == 200
        assert (
            post(sim, COUNT | {"model": "claude-next"}, path="/v1/messages/count_tokens").status_code == 200
        )
        assert httpx2.get(sim.base_url + "/v1/models/claude-next", headers=HEADERS).status_code == 200
        assert post(sim, BODY | {"model": "claude-nest"}).status_code == 404


@pytest.mark.parametrize(
    "credentials",
    [{}, {"x-api-key": ""}, {"authorization": ""}, {"authorization": "Bearer"}, {"authorization": "Basic x"}],
)
def test_a_request_needs_a_key(sim, credentials):
    response = post(sim, BODY, headers=VERSION | credentials)
    assert response.status_code == 401
    assert response.json()["error"]["type"] == "authentication_error"
    assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("credentials", [{"x-api-key": "x"}, {"authorization": "Bearer x"}])
def test_any_key_is_right_until_the_simulator_is_told_the_one(sim, credentials):
    assert post(sim, BODY, headers=VERSION | credentials).status_code == 200
    with Simulator(api_key="right") as strict:
        assert post(strict, BODY, headers=VERSION | credentials).status_code == 401
        right = {name: value.replace("x", "right") for name, value in credentials.items()}
        assert post(strict, BODY, headers=VERSION | right).status_code == 200
        assert post(strict, BODY, headers=VERSION | {"x-api-key": "right"} | credentials).status_code == 401


def test_a_wrong_key_gets_the_apis_body():
    with Simulator(api_key="right") as strict:
        response = post(strict, BODY)
        assert response.json() == {
            "type": "error",
            "error": {"type": "authentication_error", "message": "invalid x-api-key"},
            "request_id": response.headers["request-id"],
        }
        assert httpx2.get(strict.base_url + "/v1/models", headers=HEADERS).status_code == 401


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/v1/models"])
def test_a_request_names_a_version_of_the_api(sim, path):
    response = post(sim, BODY, path=path, headers=KEY)
    assert (response.status_code, response.json()["error"]["message"]) == (
        400,
        "anthropic-version: header is required",
    )


@pytest.mark.parametrize(
    "said",
    [
        [("anthropic-version", "2024-10-22")],
        [("anthropic-version", "2023-06-01"), ("anthropic-version", "2023-06-01")],
    ],
    ids=["unknown", "twice"],
)
def test_an_unknown_version_of_the_api_is_refused(sim, said):
    response = post(sim, BODY, headers=[*KEY.items(), *said])
    wrong = ", ".join(value for _, value in said)
    assert (response.status_code, response.json()["error"]["message"]) == (
        400,
        f'anthropic-version: "{wrong}" is not a valid version',
    )


def test_the_version_that_the_sdk_sends_is_the_latest():
    with anthropic.Anthropic(api_key="x") as client:
        assert client.default_headers["anthropic-version"] == VERSIONS[-1]


@pytest.mark.parametrize(
    ("betas", "status"),
    [
        ("files-api-2025-04-14", 200),
        ("claude-code-20250219,context-management-2025-06-27, compact-2026-01-12", 200),
        ("", 400),
        ("files-api", 400),
        ("files-api-2025-04-14,", 400),
    ],
)
def test_betas_have_a_name_and_a_date(sim, betas, status):
    response = post(sim, BODY, headers=HEADERS | {"anthropic-beta": betas})
    assert response.status_code == status
    assert ("`anthropic-beta` header" in response.text) == (status == 400)


def test_the_betas_of_repeated_headers_are_all_seen(sim):
    betas = [("anthropic-beta", "files-api-2025-04-14"), ("anthropic-beta", "files-api")]
    assert post(sim, BODY, headers=[*HEADERS.items(), *betas]).status_code == 400
    assert post(sim, BODY, headers=[*HEADERS.items(), *betas[:1] * 2]).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"content-type": "text/plain"}, 400),
        ({"content-type": "Application/JSON; charset=utf-8"}, 200),
    ],
)
def test_a_body_is_said_to_be_json(sim, headers, status):
    response = post(sim, headers=KEY | VERSION | headers, content=json.dumps(BODY))
    assert response.status_code == status
    assert ("content-type" in response.text) == (status == 400)


@pytest.mark.parametrize("credentials", [KEY, {"authorization": "Bearer secret"}])
def test_credentials_are_not_kept(sim, credentials):
    post(sim, BODY, headers=VERSION | credentials)
    assert "secret" not in repr(sim.requests[-1])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/models/gpt-9", 404),
        ("POST", "/v1/complete", 404),
        ("GET", "/v1/messages", 405),
        ("OPTIONS", "/v1/messages", 405),
        ("HEAD", "/v1/models", 405),
        ("HEAD", "/", 404),
        ("POST", "/v1/models", 405),
    ],
)
def test_other_paths_and_methods_are_refused(sim, method, path, status):
    with httpx2.Client() as client:
        for _ in range(2):
            response = client.request(method, sim.base_url + path, headers=HEADERS)
            assert response.status_code == status
            assert (response.content == b"") == (method == "HEAD")


def test_count_tokens_takes_no_max_tokens(sim):
    assert post(sim, BODY, path="/v1/messages/count_tokens").status_code == 400


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        (OLD | {"thinking": {"type": "enabled", "budget_tokens": 200_000}}, 200),
        ({"tools": TOOLS, "tool_choice": {"type": "auto"}, "system": "Be kind."}, 200),
        ({"stream": True}, 400),
        ({"system": 5}, 400),
        ({"tools": [{"name": "book"}]}, 400),
        ({"thinking": {"type": "disabled"}}, 400),
        ({"tools": TOOLS, "tool_choice": {"type": "any"}}, 400),
    ],
)
def test_a_count_is_refused_as_its_message_is(sim, extra, status):
    assert post(sim, COUNT | extra, path="/v1/messages/count_tokens").status_code == status


@pytest.mark.parametrize("html", [False, True])
def test_a_body_of_more_than_32_megabytes_is_too_large(html):
    with Simulator(switches=Switches(html_413=html)) as sim:
        response = post(sim, content=b" " * (32 * 1024 * 1024 + 1))
        assert response.status_code == 413
        assert response.headers["content-type"] == ("text/html" if html else "application/json")


def thought_and_text(client, thinking=None):
    return client.messages.create(**BODY, thinking=thinking or {"type": "adaptive"}).content


def test_a_thinking_block_comes_back_unmodified(connect):
    with Simulator() as sim:
        client = connect(sim)
        turn = {"role": "assistant", "content": thought_and_text(client)}
        messages = [*MESSAGES, turn, {"role": "user", "content": "And then?"}]
        assert client.messages.create(**BODY | {"messages": messages}).stop_reason == "end_turn"


@pytest.fixture
def bound(connect):
    """Asks a simulator whose thoughts are bound to what comes before them; the content of its answer."""
    with Simulator(switches=Switches(bound_thinking=True)) as sim:
        client = connect(sim)

        def ask(*turns, **parameters):
            request = BODY | {"messages": [*MESSAGES, *turns], "thinking": {"type": "adaptive"}}
            return [block.to_dict() for block in client.messages.create(**request | parameters).content]

        yield ask


def turns(*content):
    prompt = "Your previous response was interrupted. Continue from where you left off."
    return {"role": "assistant", "content": list(content)}, {"role": "user", "content": prompt}


def test_a_bound_thought_comes_back_where_it_was(bound):
    thought, text = bound()
    cut = {**text, "text": text["text"][:99]}
    again, rest = bound(*turns(thought, cut))
    assert cut["text"] + rest["text"] == text["text"]
    later = {**rest, "text": rest["text"][:99]}
    final = bound(*turns(thought, cut), *turns(again, later))[-1]
    assert cut["text"] + later["text"] + final["text"] == text["text"]


def test_a_bound_thought_is_refused_anywhere_else(bound):
    thought, text = bound()
    cut = {**text, "text": text["text"][:99]}
    again, rest = bound(*turns(thought, cut))
    for moved in (turns(cut, thought, text), turns(thought, cut, again, rest)):
        with pytest.raises(anthropic.BadRequestError, match="bound to a different conversation"):
            bound(*moved)
    with pytest.raises(anthropic.BadRequestError, match="bound to a different conversation"):
        bound(*turns(thought, cut), messages=[{"role": "user", "content": "Other"}, *turns(thought, cut)])


@pytest.mark.parametrize("changed", [{"thinking": "Other."}, {"signature": "AAAA"}])
def test_a_changed_thinking_block_is_refused(connect, changed):
    with Simulator() as sim:
        client = connect(sim)
        thought, text = (block.to_dict() for block in thought_and_text(client))
        turn = {"role": "assistant", "content": [thought | changed, text]}
        messages = [*MESSAGES, turn, {"role": "user", "content": "And then?"}]
        with pytest.raises(anthropic.BadRequestError, match="Invalid `signature`"):
            client.messages.create(**BODY | {"messages": messages})


EXTRA = "/v1/messages?beta=true"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/messages", "max_token"),
        ("/v1/messages", "prompt"),
        ("/v1/messages", "betas"),
        ("/v1/messages", "extra_headers"),
        ("/v1/messages", "thread"),
        ("/v1/messages", "mcp_servers"),
        ("/v1/messages", "output_format"),
        (EXTRA, "max_token"),
        ("/v1/messages/count_tokens", "max_tokens"),
        ("/v1/messages/count_tokens", "temperature"),
        ("/v1/messages/count_tokens", "context_management"),
        ("/v1/messages/count_tokens?beta=true", "thread"),
    ],
)
def test_what_is_no_parameter_is_refused_by_its_name(sim, path, name):
    response = post(sim, (COUNT if "count" in path else BODY) | {name: None}, path=path)
    assert (response.status_code, response.json()["error"]["message"]) == (
        400,
        f"{name}: Extra inputs are not permitted",
    )


SAID = {"role": "user", "content": [{"type": "text", "text": "Hello."}]}


def saying(**block):
    return {"messages": [{"role": "user", "content": [block]}]}


@pytest.mark.parametrize(
    ("extra", "where"),
    [
        ({"messages": [SAID | {"name": "Ann"}]}, "messages.0.name"),
        (saying(type="text", text="Hello.", cache_controll=None), "messages.0.content.0.text.cache_controll"),
        (
            saying(type="text", text="Hello.", cache_control={"type": "ephemeral", "tll": "1h"}),
            "messages.0.content.0.text.cache_control.ephemeral.tll",
        ),
        (
            saying(type="image", source={"type": "url", "url": "https://example.com/a.png", "detail": "low"}),
            "messages.0.content.0.image.source.url.detail",
        ),
        ({"system": [{"type": "text", "text": "Be brief.", "role": "system"}]}, "system.0.role"),
        ({"tools": [{"name": "book", "input_schema": {}, "parameters": {}}]}, "tools.0.custom.parameters"),
        (
            {"tools": [{"type": "custom", "name": "book", "input_schema": {}, "function": {}}]},
            "tools.0.custom.function",
        ),
        ({"metadata": {"user_id": "a", "user": "b"}}, "metadata.user"),
        ({"thinking": {"type": "disabled", "budget": 2000}}, "thinking.disabled.budget"),
        ({"output_config": {"effort": "low", "verbosity": "low"}}, "output_config.verbosity"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/messages", EXTRA])
def test_what_is_no_field_is_refused_by_its_path(sim, path, extra, where):
    response = post(sim, BODY | extra, path=path)
    assert (response.status_code, response.json()["error"]["message"]) == (
        400,
        f"{where}: Extra inputs are not permitted",
    )


def test_fields_of_a_count_are_looked_at_too(sim):
    said = saying(type="text", text="Hello.", cache_controll=None)
    assert post(sim, COUNT | said, path="/v1/messages/count_tokens").status_code == 400


def test_a_schema_may_have_any_field(sim):
    schema = {"type": "object", "properties": {}, "$schema": "x", "additionalProperties": False}
    tools = [{"name": "book", "input_schema": schema, "cache_control": None}]
    assert post(sim, BODY | {"tools": tools}).status_code == 200


@needs_recordings
def test_recorded_requests_have_fields_that_are_known():
    answered = [
        row["request"]
        for row in recordings()
        if row["request"] and row["status"] == 200 and row["endpoint"] == "/v1/messages"
    ]
    for body in answered:
        check_message_parameters(body, is_beta=True)
    assert len(answered) > 800


@pytest.mark.parametrize(
    ("path", "headers"),
    [(EXTRA, {}), ("/v1/messages", {"anthropic-beta": "mcp-client-2025-04-04"})],
)
@pytest.mark.parametrize("extra", [{"mcp_servers": []}, {"context_management": {}}, {"thread": None}])
def test_parameters_of_betas_come_with_a_beta(sim, path, headers, extra):
    assert post(sim, BODY | extra, path=path, headers=HEADERS | headers).status_code == 200


@pytest.mark.parametrize(
    "extra",
    [
        {"metadata": {"user_id": "x"}, "service_tier": "auto", "inference_geo": "us", "speed": "standard"},
        {"container": None, "diagnostics": None, "cache_control": {"type": "ephemeral"}},
    ],
)
def test_every_parameter_of_the_sdk_is_known(sim, extra):
    assert post(sim, BODY | extra).status_code == 200


def test_a_thread_is_not_gone_on_with(connect):
    with Simulator() as sim:
        client = connect(sim)
        thread = {"thread": {"type": "continue", "previous_message_id": "msg_1"}}
        request = BODY | {"betas": ["message-threads-2026-08-12"]}
        with pytest.raises(anthropic.BadRequestError, match=r"this simulator keeps none; .* thread=False"):
            client.beta.messages.create(**request, extra_body=thread)
        assert client.beta.messages.create(**request, extra_body={"thread": {"type": "create"}}).content
