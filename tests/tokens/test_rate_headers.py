"""Headers of rate limits, as the API sends them and as it should not."""

import pytest

from seawall_tokens.rate_headers import organization, reading

HEADERS = {
    "anthropic-ratelimit-requests-limit": "1000",
    "anthropic-ratelimit-requests-remaining": "999",
    "anthropic-ratelimit-input-tokens-limit": "2000000",
    "anthropic-ratelimit-input-tokens-remaining": "1950000",
    "anthropic-ratelimit-output-tokens-limit": "400000",
    "anthropic-ratelimit-output-tokens-remaining": "400000",
    "anthropic-organization-id": "org",
}


def test_limits_and_what_is_left_are_read():
    said = reading(HEADERS)
    assert said.limits == {"requests": 1000, "input": 2_000_000, "output": 400_000}
    assert said.remaining == {"requests": 999, "input": 1_950_000, "output": 400_000}
    assert organization(HEADERS) == "org"
    assert organization({**HEADERS, "anthropic-workspace-id": "reports"}) == "org/reports"


def test_an_answer_without_headers_tells_nothing():
    assert reading({}) is None
    assert organization({}) == ""


@pytest.mark.parametrize("bad", ["", "many", "nan", "inf", "-1", "1e30", "0x10"])
def test_what_is_no_number_of_tokens_is_left_out(bad):
    said = reading({**HEADERS, "anthropic-ratelimit-input-tokens-limit": bad})
    assert set(said.limits) == {"requests", "output"}
    said = reading({**HEADERS, "anthropic-ratelimit-input-tokens-remaining": bad})
    assert "input" in said.limits
    assert "input" not in said.remaining


def test_a_limit_of_nothing_is_none():
    assert "requests" not in reading({**HEADERS, "anthropic-ratelimit-requests-limit": "0"}).limits


def test_more_is_never_left_than_there_is():
    said = reading({**HEADERS, "anthropic-ratelimit-requests-remaining": "5000"})
    assert said.remaining["requests"] == 1000
