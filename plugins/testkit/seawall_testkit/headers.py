"""What the API wants in the headers of every request (docs, api/overview and api/versioning)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seawall_testkit.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSIONS = ("2023-06-01", "2026-10-21")
"""The values of `anthropic-version` that the Messages API has had, oldest first."""

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)
_BETAS = re.compile(r"[a-z0-9-]+-\d{4}-?\d\d-?\d\d( *, *[a-z0-9-]+-\d{4}-?\d\d-?\d\d)*")


def check_headers(headers: Mapping[str, str], api_key: str | None) -> None:
    """Refuses a request without a right key, a version of the API, or with betas that are none.

    Args:
        headers: of the request, names in lower case.
        api_key: the right key; None: any is.

    Raises:
        RequestError: 401 or 400.
    """
    _check_key(headers, api_key)
    version = headers.get("anthropic-version")
    if not version:
        raise RequestError(400, "anthropic-version: header is required")
    if version not in VERSIONS:
        raise RequestError(400, f'anthropic-version: "{version}" is not a valid version')
    betas = headers.get("anthropic-beta")
    if betas is not None and not _BETAS.fullmatch(betas):
        raise RequestError(
            400,
            f"Unexpected value(s) `{betas}` for the `anthropic-beta` header. Please consult our "
            "documentation at docs.anthropic.com or try again without the header.",
        )


def check_content_type(headers: Mapping[str, str]) -> None:
    """Refuses a body that is not said to be JSON, as the documentation demands; the words are not the API's.

    Raises:
        RequestError: 400.
    """
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RequestError(400, "content-type: must be application/json")


def _check_key(headers: Mapping[str, str], api_key: str | None) -> None:
    """Of two credentials both must be right: which of them the API looks at is not documented."""
    key, authorization = headers.get("x-api-key"), headers.get("authorization")
    if not (key or authorization):
        raise RequestError(401, "x-api-key header is required")
    if key and key != (api_key or key):
        raise RequestError(401, "invalid x-api-key")
    bearer = _BEARER.fullmatch(authorization or "")
    if authorization and (bearer is None or bearer[1] != (api_key or bearer[1])):
        raise RequestError(401, "Invalid bearer token")
