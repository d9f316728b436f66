"""Takes in an answer that is no stream: one JSON object, whole. Sans-I/O."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from seawall import wire_errors
from seawall.assembly import Assembly
from seawall.call import Attempt, Usage
from seawall.models import named
from seawall.steps import Accepted


def take_body(accepted: Accepted, body: bytes, attempt: Attempt, so_far: Assembly) -> Exception | None:
    """Take a whole JSON answer; returns the failure it is. The caller gets it as it came."""
    if accepted.is_foreign:
        return None
    try:
        message = from_json(body)
    except ValueError:
        return wire_errors.malformed_body(accepted.response)
    if isinstance(message, dict) and message.get("type") == "error":
        return wire_errors.error_event(accepted.response, message)
    if isinstance(message, dict) and message.get("type") == "message":
        try:
            _take_message(message, attempt, so_far)
        except (TypeError, AttributeError):
            return wire_errors.malformed_body(accepted.response, "a whole message")
    return None


def _take_message(message: Mapping[str, Any], attempt: Attempt, so_far: Assembly) -> None:
    usage = message.get("usage") or {}
    attempt.usage = Usage.of(usage)
    attempt.raw_usage, attempt.model = usage, named(message)
    so_far.adopt(message)
