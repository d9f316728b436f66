"""The parameters of a request: those that the installed SDK knows, and those of earlier versions."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from anthropic.types import message_count_tokens_params, message_create_params
from anthropic.types.beta import (
    message_count_tokens_params as beta_count_tokens_params,
    message_create_params as beta_create_params,
)

from seawall_testkit.errors import RequestError
from seawall_testkit.sampling import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Mapping

_IN_HEADERS = frozenset({"betas", "user_profile_id", "workspace_id"})
"""Arguments of the SDK's methods that it sends as headers."""
_EARLIER_BETA = frozenset({"output_format"})
"""What `output_config.format` was called in the beta `structured-outputs`; recorded."""


def check_message_parameters(body: Mapping[str, object], *, is_beta: bool) -> None:
    """Refuses what is no parameter of `POST /v1/messages`, in the API's words.

    Args:
        body: of the request.
        is_beta: whether it may have those of the betas, of which some want a certain `anthropic-beta`.

    Raises:
        RequestError: 400.
    """
    _check(body, _of_messages(is_beta=is_beta))


def check_count_parameters(body: Mapping[str, object], *, is_beta: bool) -> None:
    """The same of `POST /v1/messages/count_tokens`."""
    _check(body, _of_counts(is_beta=is_beta))


def _check(body: Mapping[str, object], known: frozenset[str]) -> None:
    for name in body:
        if name not in known:
            raise RequestError(400, f"{name}: Extra inputs are not permitted")


@cache
def _of_messages(*, is_beta: bool) -> frozenset[str]:
    types: list[type] = [message_create_params.MessageCreateParamsStreaming]
    if is_beta:
        types.append(beta_create_params.MessageCreateParamsStreaming)
    return _names(types) | PARAMETERS | (_EARLIER_BETA if is_beta else frozenset())


@cache
def _of_counts(*, is_beta: bool) -> frozenset[str]:
    types: list[type] = [message_count_tokens_params.MessageCountTokensParams]
    if is_beta:
        types.append(beta_count_tokens_params.MessageCountTokensParams)
    return _names(types) | (_EARLIER_BETA if is_beta else frozenset())


def _names(types: list[type]) -> frozenset[str]:
    return frozenset(name for kind in types for name in kind.__annotations__) - _IN_HEADERS
