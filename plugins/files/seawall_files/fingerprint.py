"""Tells requests apart."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

_OF_THE_CALLER: Final = ("stream",)
"""What says how the answer is to be handed over, and nothing about the answer."""


def body_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request body as it can be sent again, whether its caller streams or not."""
    return {key: value for key, value in params.items() if key not in _OF_THE_CALLER}


def fingerprint(params: Mapping[str, Any]) -> str:
    """Return a digest of a request body: the same for the same question, however its keys are ordered.

    Headers and keys are not in it, nor is whether the caller streams.
    """
    said = json.dumps(body_of(params), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(said.encode()).hexdigest()
