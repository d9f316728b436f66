"""Which sampling parameters a model takes (docs, api/messages, extended-thinking, about-claude/models)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from seawall_testkit import models
from seawall_testkit.errors import RequestError
from seawall_testkit.headers import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

PARAMETERS = frozenset({"temperature", "top_p", "top_k"})
"""None of them is taken since version 2026-10-21 (docs, api/migration-2026-10-21)."""

_NO_TOP_K = -1
"""Recorded: it is taken for none."""
_LEAST_TOP_P = 0.95
"""With thinking."""


def check_sampling(body: Mapping[str, Any], api_version: str) -> None:
    """Refuses sampling parameters that the version or the model does not take, or out of their range.

    Raises:
        RequestError: 400.
    """
    given = {name: body[name] for name in sorted(PARAMETERS) if body.get(name) is not None}
    if api_version == VERSIONS[-1] and PARAMETERS & set(body):
        name = min(PARAMETERS & set(body))
        _refuse(f"{name}: sampling parameters are not supported in this API version")
    for name, value in given.items():
        _check_range(name, value)
        if not models.accepts_sampling(body["model"]):
            _refuse(f"`{name}` is deprecated for this model.")
    if {"temperature", "top_p"} <= set(given) and not models.accepts_both_samplings(body["model"]):
        _refuse("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    if (body.get("thinking") or {}).get("type", "disabled") != "disabled":
        _check_with_thinking(given)


def _check_range(name: str, value: object) -> None:
    if name == "top_k":
        if not isinstance(value, int) or isinstance(value, bool) or value < _NO_TOP_K:
            _refuse(f"top_k: Input should be an integer greater than or equal to {_NO_TOP_K}")
    elif not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        _refuse(f"{name}: range: 0..1")


def _check_with_thinking(given: Mapping[str, Any]) -> None:
    if given.get("temperature", 1) != 1:
        _refuse("`temperature` may only be set to 1 when thinking is enabled.")
    if given.get("top_p", 1) < _LEAST_TOP_P:
        _refuse(f"`top_p` must be greater than or equal to {_LEAST_TOP_P} when thinking is enabled.")
    if "top_k" in given:
        _refuse("`top_k` must be unset when thinking is enabled.")


def _refuse(message: str) -> NoReturn:
    raise RequestError(400, message)
