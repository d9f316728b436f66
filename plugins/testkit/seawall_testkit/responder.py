"""Routes requests to endpoints."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

from seawall_testkit import models
from seawall_testkit.conversation import count_input_tokens
from seawall_testkit.errors import RequestError
from seawall_testkit.exchange import Exchange, json_object
from seawall_testkit.faults import ERROR_STATUSES
from seawall_testkit.headers import check_content_type, check_headers
from seawall_testkit.ids import new_id
from seawall_testkit.limits import Limits, RateLimiter
from seawall_testkit.messages import Messages
from seawall_testkit.parameters import check_count_parameters
from seawall_testkit.validation import check_count_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from seawall_testkit.journal import Entry, Journal
    from seawall_testkit.options import Options
    from seawall_testkit.wire import Request, Wire

_MESSAGES = "/v1/messages"
_COUNT = "/v1/messages/count_tokens"
_MODELS = "/v1/models"


@dataclass(frozen=True)
class Outage:
    """An API that is down: how it answers message requests, and after how long."""

    status: int
    seconds: float
    model: str | None = None
    """Of requests that fail; `None`: all do."""

    def __post_init__(self) -> None:
        if self.status not in ERROR_STATUSES:
            raise ValueError(f"an outage needs a status of 400 to 599, not {self.status!r}")


class Responder:
    """Answers every request; belongs to the server's thread.

    Args:
        refuse_connections: closes the listener for so many seconds.
    """

    def __init__(
        self, options: Options, journal: Journal, refuse_connections: Callable[[float], None]
    ) -> None:
        self._messages = Messages(options, journal, refuse_connections)
        self._api_key = options.api_key
        self._more_models = options.more_models
        counts = Limits(rpm=options.limits.count_rpm, depth=options.limits.depth) if options.limits else None
        self._counts = RateLimiter(counts, options, by_class=False)
        self._html_413 = options.switches.html_413
        self.outage: Outage | None = None
        """What message requests are answered with."""
        self._rng = random.Random(f"{options.seed} request ids")  # noqa: S311 - repeatable

    async def respond(self, wire: Wire, request: Request, entry: Entry) -> None:
        """Answers one request, and enters how it ended."""
        exchange = Exchange(wire, request, entry, new_id("req_", self._rng))
        try:
            await self._route(exchange)
        except RequestError as error:
            entry.update(error=error.message)
            await exchange.error(
                error, as_page=self._html_413 and error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            )

    async def _fail(self, outage: Outage) -> NoReturn:
        await asyncio.sleep(outage.seconds)
        raise RequestError(outage.status)

    async def _count(self, exchange: Exchange, body: dict[str, Any]) -> None:
        check_count_parameters(body, is_beta=exchange.is_beta)
        check_count_request(body, exchange.request.headers["anthropic-version"], self._more_models)
        self._counts.admit(body["model"], 0, 0)
        await exchange.json({"input_tokens": count_input_tokens(body)})

    def _model(self, model: str) -> dict[str, Any]:
        if not models.is_known(model) and model not in self._more_models:
            raise RequestError(404, f"model: {model}")
        return models.model_info(model)

    async def _route(self, exchange: Exchange) -> None:
        request = exchange.request
        check_headers(request.headers, self._api_key)
        if request.path in {_MESSAGES, _COUNT}:
            _check_method(request, "POST")
            if request.is_too_large:
                raise RequestError(413)
            check_content_type(request.headers)
            body = json_object(request.body)
            exchange.entry.update(body=body)
            if request.path == _MESSAGES:
                if self.outage is not None and self.outage.model in (None, body.get("model")):
                    exchange.entry.update(stream=bool(body.get("stream")))
                    await self._fail(self.outage)
                await self._messages.answer(exchange, body)
            else:
                await self._count(exchange, body)
        elif request.path == _MODELS:
            _check_method(request, "GET")
            await exchange.json(_listing())
        elif request.path.startswith(_MODELS + "/"):
            _check_method(request, "GET")
            await exchange.json(self._model(request.path.removeprefix(_MODELS + "/")))
        else:
            raise RequestError(404, "Not Found")


def _check_method(request: Request, method: str) -> None:
    if request.method != method:
        raise RequestError(405, "Method Not Allowed", headers={"allow": method})


def _listing() -> dict[str, Any]:
    return {
        "data": [models.model_info(model) for model in models.CATALOGUE],
        "has_more": False,
        "first_id": models.CATALOGUE[0],
        "last_id": models.CATALOGUE[-1],
    }
