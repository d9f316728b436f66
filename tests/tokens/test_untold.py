"""Which answers had not told what they cost."""

import pytest

from seawall import Attempt, Usage
from seawall_tokens.untold import is_untold


def attempt(**given):
    return Attempt(1, "send", **{"status": 200, **given})


def test_an_answer_without_counts_is_untold_however_it_ended():
    assert is_untold(attempt())
    assert is_untold(attempt(error=ValueError()))


def test_an_estimate_of_its_output_tells_nothing_of_its_input():
    assert is_untold(attempt(usage=Usage(output_tokens=5, is_estimated=True)))


@pytest.mark.parametrize("name", ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"])
def test_any_count_of_the_input_tells(name):
    assert not is_untold(attempt(usage=Usage(**{name: 1})))


@pytest.mark.parametrize("wrong", [-5, float("nan"), "7", None])
def test_what_is_no_count_tells_nothing(wrong):
    assert is_untold(attempt(usage=Usage(wrong, wrong, wrong, wrong)))


@pytest.mark.parametrize("status", [None, 429, 529])
def test_what_the_api_did_not_take_has_nothing_to_tell(status):
    assert not is_untold(attempt(status=status, error=ValueError()))


def test_an_error_inside_of_a_stream_has_its_own_status_and_is_untold_all_the_same():
    assert is_untold(attempt(status=529, usage=Usage(is_estimated=True), error=ValueError()))


def test_the_page_of_a_proxy_is_no_answer():
    assert not is_untold(attempt(headers={"content-type": "text/html; charset=utf-8"}))
