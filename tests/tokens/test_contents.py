"""What of a request is counted, and what is only guessed."""

import base64
import struct

import pytest

from seawall_tokens.contents import Contents

TOOL = {"name": "f", "description": "Does f.", "input_schema": {"type": "object"}}


def contents(*blocks, **params):
    params = {"model": "claude-opus-5-5", "messages": [{"role": "user", "content": list(blocks)}], **params}
    return Contents.of(params)


def picture(width, height):
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height)
    data = base64.b64encode(head).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def test_texts_are_those_of_system_messages_tool_calls_and_results():
    found = contents(
        {"type": "text", "text": "one"},
        {"type": "tool_use", "id": "t", "name": "add", "input": {"a": 1, "ä": [2]}},
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "three"}]},
        {"type": "tool_result", "tool_use_id": "t", "content": "four"},
        {"type": "tool_result", "tool_use_id": "t"},
        system=[{"type": "text", "text": "be brief"}],
    )
    assert found.text == 'be brief\none\nadd\n{"a":1,"ä":[2]}\nthree\nfour'
    assert (found.tool_blocks, found.messages, found.has_system, found.is_guess) == (4, 1, True, False)


def test_a_custom_tool_is_a_description_and_a_schema():
    found = contents(tools=[TOOL, {**TOOL, "type": "custom", "input_examples": [{"a": 1}]}])
    assert found.descriptions == ["Does f."] * 2
    schema = '{"name":"f","input_schema":{"type":"object"}}'
    assert found.schemas == [schema, schema, '[{"a":1}]']
    assert not found.is_guess


def test_an_image_in_the_request_costs_its_patches_and_one_elsewhere_the_most():
    here, there = contents(picture(280, 280)), contents({"type": "image", "source": {"type": "url"}})
    assert (here.tokens, here.is_guess) == (103, False)
    assert (there.tokens, there.is_guess) == (4787, True)
    assert contents({"type": "image", "source": {"type": "url"}}, model="claude-opus-4-5").tokens == 1571


def test_an_image_in_a_tool_result_is_counted():
    assert contents({"type": "tool_result", "content": [picture(28, 28)]}).tokens == 4


def document(kind, data, **more):
    return {"type": "document", "source": {"type": kind, "data": data}, **more}


def test_a_text_document_is_its_text_and_citations_cost():
    found = contents(document("text", "words", title="T", context="C"))
    assert (found.text, found.tokens, found.is_guess) == ("T\nC\nwords", 36, False)
    cited = contents(document("text", "words", citations={"enabled": True}), document("text", "more"))
    assert cited.tokens == 36 * 2 + 570


def test_a_document_of_blocks_is_their_contents():
    blocks = [{"type": "text", "text": "words"}, picture(28, 28)]
    found = contents({"type": "document", "source": {"type": "content", "content": blocks}})
    assert (found.text.strip(), found.tokens) == ("words", 4 + 36)


def test_a_pdf_costs_image_and_text_of_each_page_and_at_most_twice_the_text():
    raw = b"%PDF << /Type /Pages /Count 10 >>" + bytes(200_000)
    found = contents(document("base64", base64.b64encode(raw).decode()))
    assert found.tokens == 10 * (1568 + 1500)
    assert found.most_tokens == 10 * (1568 + 3000)
    assert found.is_guess


def test_a_pdf_elsewhere_is_a_page_and_at_most_two():
    found = contents({"type": "document", "source": {"type": "url", "url": "x"}})
    assert (found.tokens, found.most_tokens, found.is_guess) == (3068, 2 * 4568, True)


@pytest.mark.parametrize(
    ("kind", "tokens"),
    [("bash_20250124", 245), ("text_editor_20250728", 700), ("computer_20250124", 735), ("new_1", 600)],
)
def test_a_tool_that_the_api_defines_costs_what_is_documented_and_is_a_guess(kind, tokens):
    found = contents(tools=[{"type": kind, "name": "x"}])
    assert (found.tokens, found.most_tokens, found.is_guess) == (tokens, 2 * tokens, True)


def test_an_unknown_block_is_its_json_less_what_is_encrypted_and_a_guess():
    found = contents({"type": "new_block", "a": "b", "encrypted_content": "x" * 1000})
    assert found.text == '{"type":"new_block","a":"b"}'
    assert found.is_guess


@pytest.mark.parametrize(
    "params",
    [
        {"mcp_servers": [{}]},
        {"container": "c"},
        {"context_management": {"edits": []}},
        {"tools": [{"defer_loading": True}]},
    ],
)
def test_what_the_api_itself_adds_or_takes_away_is_a_guess(params):
    assert contents(**params).is_guess


def test_earlier_thinking_is_counted_and_a_guess():
    found = contents({"type": "thinking", "thinking": "hm", "signature": "x" * 1000})
    assert (found.text, found.is_guess) == ("hm", True)


@pytest.mark.parametrize("name", ["output_config", "output_format"])
def test_the_schema_of_the_answer_is_found_in_either_place(name):
    asked = {"type": "json_schema", "schema": {"type": "object"}}
    found = contents(**{name: {"format": asked} if name == "output_config" else asked})
    assert found.format == '{"type":"object"}'


def test_a_task_budget_costs():
    assert contents(output_config={"task_budget": {"total": 1}}).tokens == 38


def test_search_results_are_counted():
    block = {"type": "search_result", "title": "T", "source": "S", "citations": {"enabled": True}}
    found = contents({**block, "content": [{"type": "text", "text": "words"}]})
    assert (found.text, found.tokens) == ("T\nS\nwords", 570)


def test_blocks_deep_in_blocks_end_somewhere():
    block = {"type": "text", "text": "x"}
    for _ in range(5000):
        block = {"type": "tool_result", "content": [block]}
    assert contents(block).is_guess


PROMPT = {"system": "be brief", "tools": [TOOL], "tool_choice": {"type": "any"}}


def test_requests_of_one_prompt_have_one_digest_whatever_they_ask():
    assert contents(**PROMPT).prompt == contents({"type": "text", "text": "x"}, **PROMPT).prompt


@pytest.mark.parametrize(
    "other",
    [
        {"system": "be long"},
        {"tools": [{**TOOL, "description": "Does g."}]},
        {"tool_choice": {"type": "auto"}},
        {"output_config": {"format": {"schema": {}}}},
        {"system": "be brief" * 1000},
    ],
)
def test_another_prompt_has_another_digest(other):
    assert contents(**{**PROMPT, **other}).prompt != contents(**PROMPT).prompt


def test_a_long_prompt_is_known_by_its_length_and_ends():
    long = "x" * 100_000
    assert contents(system=long).prompt != contents(system=long + "x").prompt
    assert contents(system=long).prompt != contents(system=long[:-1] + "y").prompt
