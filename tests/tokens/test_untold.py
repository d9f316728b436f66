"""Which answers had not told what they cost."""

import anthropic
import httpx2
import pytest

from seawall import Attempt, Usage
from seawall_tokens.untold import is_untold, was_sent

REQUEST = httpx2.Request("POST", "http://127.0.0.1")


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


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [None, TimeoutError(), caused(anthropic.APITimeoutError(REQUEST), httpx2.ReadTimeout("silent"))],
)
def test_a_request_whose_answer_nobody_waited_for_is_untold(error):
    assert is_untold(attempt(status=None, asked="m", error=error))


@pytest.mark.parametrize("timeout", [httpx2.ConnectTimeout, httpx2.WriteTimeout, httpx2.PoolTimeout])
def test_a_request_that_could_not_be_sent_in_time_has_nothing_to_tell(timeout):
    error = caused(anthropic.APITimeoutError(REQUEST), timeout("late"))
    assert not is_untold(attempt(status=None, asked="m", error=error))


def test_a_request_that_was_refused_at_the_connection_has_nothing_to_tell():
    error = caused(anthropic.APIConnectionError(request=REQUEST), httpx2.ConnectError("refused"))
    assert not is_untold(attempt(status=None, asked="m", error=error))


def test_a_request_was_sent_once_a_model_was_asked_or_something_came_back():
    assert not was_sent(attempt(status=None))
    assert not is_untold(attempt(status=None))
    assert was_sent(attempt(status=None, asked="m"))
    assert was_sent(attempt(status=None, error=ValueError()))
    assert was_sent(attempt())


def test_an_error_inside_of_a_stream_has_its_own_status_and_is_untold_all_the_same():
    assert is_untold(attempt(status=529, usage=Usage(is_estimated=True), error=ValueError()))


def test_the_page_of_a_proxy_is_no_answer():
    assert not is_untold(attempt(headers={"content-type": "text/html; charset=utf-8"}))
