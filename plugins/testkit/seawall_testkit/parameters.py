"""The parameters of a request: those that the installed SDK knows, and those of earlier versions."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from anthropic.types import message_count_tokens_params, message_create_params
from anthropic.types.beta import (
    message_count_tokens_params as beta_count_tokens_params,
    message_create_params as beta_create_params,
)
from typing_extensions import get_type_hints

from seawall_testkit.errors import RequestError
from seawall_testkit.fields import strange_field
from seawall_testkit.sampling import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Mapping

_IN_HEADERS = frozenset({"betas", "user_profile_id", "workspace_id"})
"""Arguments of the SDK's methods that it sends as headers."""
_EARLIER_BETA = frozenset({"output_format"})
"""What `output_config.format` was called in the beta `structured-outputs`; recorded."""


def check_message_parameters(body: Mapping[str, object], *, is_beta: bool) -> None:
    """Refuses what is no parameter of `POST /v1/messages`, or no field of one, in the API's words.

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


def _check(body: Mapping[str, object], known: Mapping[str, Any]) -> None:
    for name, value in body.items():
        strange = strange_field(value, known[name], name) if name in known else name
        if strange is not None:
            raise RequestError(400, f"{strange}: Extra inputs are not permitted")


@cache
def _of_messages(*, is_beta: bool) -> Mapping[str, Any]:
    types: list[type] = [message_create_params.MessageCreateParamsStreaming]
    if is_beta:
        types.append(beta_create_params.MessageCreateParamsStreaming)
    return {**dict.fromkeys(PARAMETERS | (_EARLIER_BETA if is_beta else frozenset())), **_kinds(types)}


@cache
def _of_counts(*, is_beta: bool) -> Mapping[str, Any]:
    types: list[type] = [message_count_tokens_params.MessageCountTokensParams]
    if is_beta:
        types.append(beta_count_tokens_params.MessageCountTokensParams)
    return {**dict.fromkeys(_EARLIER_BETA if is_beta else ()), **_kinds(types)}


def _kinds(types: list[type]) -> dict[str, Any]:
    """The type of each parameter that one of `types` has."""
    kinds: dict[str, Any] = {}
    for name, kind in (item for each in types for item in get_type_hints(each).items()):
        kinds[name] = kinds[name] | kind if name in kinds else kind
    return {name: kind for name, kind in kinds.items() if name not in _IN_HEADERS}
