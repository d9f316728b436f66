"""What is known of the parameters that models refuse, against what the simulator knows."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from seawall_backoff.parameters import refused
from seawall_testkit import Simulator
from seawall_testkit.models import CATALOGUE

USER = {"role": "user", "content": "Hello."}
PLAIN: dict[str, Any] = {"max_tokens": 2_000, "messages": [USER]}
TOOL = {"name": "look", "input_schema": {"type": "object"}}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "enabled": {"thinking": {"type": "enabled", "budget_tokens": 1_024}},
    "adaptive": {"thinking": {"type": "adaptive"}},
    "disabled": {"thinking": {"type": "disabled"}},
    "any": {"tools": [TOOL], "tool_choice": {"type": "any"}},
    "tool": {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "look"}},
    "auto": {"tools": [TOOL], "tool_choice": {"type": "auto"}},
    "64,000": {"max_tokens": 64_000},
    "64,001": {"max_tokens": 64_001},
    "128,000": {"max_tokens": 128_000},
    "128,001": {"max_tokens": 128_001},
    "prefill": {"messages": [USER, {"role": "assistant", "content": "Well"}]},
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Simulator() as simulator:
        yield f"{simulator.base_url}/v1/messages"


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_model_refuses_what_the_api_refuses(url: str, variant: str) -> None:
    request = {**PLAIN, **VARIANTS[variant]}
    # not by the SDK, which warns of models that are about to be retired
    with httpx2.Client(headers={"x-api-key": "test", "anthropic-version": "2026-10-21"}) as client:
        for model in CATALOGUE:
            answer = client.post(url, json={"model": model, **request})
            assert answer.status_code in (200, 400)
            assert (refused(request, model) is not None) is (answer.status_code == 400), model


@pytest.mark.parametrize("model", ["", "my-gateway", "claude-next", "gpt-5"])
def test_of_a_model_that_is_not_known_nothing_is_refused(model: str) -> None:
    for request in VARIANTS.values():
        assert refused(request, model) is None


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"thinking": None},
        {"thinking": "enabled"},
        {"tool_choice": 5},
        {"messages": []},
        {"messages": [5]},
    ],
)
def test_what_is_no_request_is_left_to_the_api(params: dict[str, Any]) -> None:
    for model in CATALOGUE:
        assert refused(params, model) is None
