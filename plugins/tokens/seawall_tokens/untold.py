"""Answers that broke, or were left, before they had told what they cost: they are billed all the same."""

from http import HTTPStatus

from seawall import Attempt
from seawall_tokens.prices import count


def is_untold(attempt: Attempt) -> bool:
    """Whether the API took the request and has not told, or not yet, how many tokens its input was."""
    usage = attempt.usage
    told = (usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens)
    return _is_taken(attempt) and not any(map(count, told))


def _is_taken(attempt: Attempt) -> bool:
    # an error inside of a stream has another status than the stream had
    has_begun = attempt.status == HTTPStatus.OK or attempt.usage.is_estimated
    # the page of a proxy costs nothing
    return has_begun and "html" not in attempt.headers.get("content-type", "")
