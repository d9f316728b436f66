"""Answers that broke, or were left, before they had told what they cost: they are billed all the same."""

from http import HTTPStatus

from seawall import Attempt
from seawall_tokens.prices import count


def was_sent(attempt: Attempt) -> bool:
    """Whether its request went out; it did not when another plugin refused or answered the call."""
    return bool(attempt.asked) or attempt.status is not None or attempt.error is not None


def is_untold(attempt: Attempt) -> bool:
    """Whether the API took the request and has not told, or not yet, how many tokens its input was."""
    usage = attempt.usage
    told = (usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens)
    return _is_taken(attempt) and not any(map(count, told))


def _is_taken(attempt: Attempt) -> bool:
    if attempt.status is None and not attempt.usage.is_estimated:
        return was_sent(attempt) and _is_waited_for(attempt.error)
    # an error inside of a stream has another status than the stream had
    has_begun = attempt.status == HTTPStatus.OK or attempt.usage.is_estimated
    # the page of a proxy costs nothing
    return has_begun and "html" not in attempt.headers.get("content-type", "")


def _is_waited_for(error: Exception | None) -> bool:
    """Whether an answer of which nothing came may yet have been on its way: nobody waited any longer."""
    if error is None or isinstance(error, TimeoutError):
        return True
    import httpx2  # noqa: PLC0415 - whoever has such an error has loaded it

    return isinstance(error.__cause__, httpx2.ReadTimeout)
