"""Answers `POST /v1/messages`."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from seawall_testkit.answers import Answer, Composer
from seawall_testkit.cache import PromptCache
from seawall_testkit.continuation import Misbehaviour
from seawall_testkit.conversation import Conversation
from seawall_testkit.delivery import Delivery, spoiled
from seawall_testkit.errors import RequestError
from seawall_testkit.exchange import Exchange, html_page
from seawall_testkit.faults import Fault, fault_for, refusal_before
from seawall_testkit.frames import document, stream_frames
from seawall_testkit.limits import Limits, RateLimiter
from seawall_testkit.pace import Pace
from seawall_testkit.parameters import check_message_parameters
from seawall_testkit.thinking import check_thinking
from seawall_testkit.validation import check_last_message, check_message_request

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from seawall_testkit.journal import Journal
    from seawall_testkit.options import Options

REFUSED_FOR = 0.3
"""Seconds that `refuse` closes the listener for, unless the fault says otherwise."""

_EVENT_STREAM = "text/event-stream; charset=utf-8"
_PROXY_ERROR = 502
"""The status a proxy in front of the API sends, as a page and not as JSON."""
_SPENT = Limits(rpm=4_000, itpm=2_000_000, otpm=400_000)
"""What the headers of a 429 show when the simulator has no limits of its own."""


class Messages:
    """The endpoint; belongs to the server's thread.

    Args:
        refuse_connections: closes the listener for so many seconds.
    """

    def __init__(
        self, options: Options, journal: Journal, refuse_connections: Callable[[float], None]
    ) -> None:
        self._options = options
        self._journal = journal
        self._refuse_connections = refuse_connections
        self._composer = Composer(options)
        self._limiter = RateLimiter(options.limits, options)
        self._cache = PromptCache(options.clock)

    async def answer(self, exchange: Exchange, body: dict[str, Any]) -> None:
        """Answers a request and enters how it ended.

        Raises:
            RequestError: the request is refused; nothing was sent.
        """
        check_message_parameters(body, is_beta=exchange.is_beta)
        check_message_request(body, exchange.request.headers["anthropic-version"], self._options.more_models)
        conversation = Conversation.of(body["messages"], body.get("system"))
        conversation = self._composer.resumed(conversation, body)
        check_last_message(body, is_paused=conversation.way == "paused")
        attempt, misbehaviour = self._enter(exchange, conversation, stream=bool(body.get("stream")))
        self._prepare_faults(exchange, attempt)
        bound = self._options.switches.bound_thinking
        check_thinking(self._options.seed, body["messages"], is_bound=bound)
        if exchange.fault is not None and exchange.fault.place == "head":
            await self._fail(exchange, exchange.fault, body["model"])
            return
        cached = self._cache.look_up(body)
        answer = self._composer.answer(
            conversation, body, attempt, misbehaviour=misbehaviour, usage=cached.usage
        )
        self._limiter.admit(body["model"], cached.usage.limited, body["max_tokens"])
        self._cache.commit(cached)
        self._bill(exchange, answer)
        try:
            if exchange.entry.now.stream:
                await self._stream(exchange, answer, self._composer.rng(conversation, attempt))
            else:
                await self._document(exchange, answer)
        except (OSError, asyncio.CancelledError):
            exchange.before_end()
            if self._options.switches.bill_dropped_streams:
                exchange.entry.generated(answer.output_tokens - exchange.entry.now.output_tokens)
            raise
        finally:
            self._limiter.settle(answer.model, body["max_tokens"], exchange.entry.now.output_tokens)

    def _enter(
        self, exchange: Exchange, conversation: Conversation, *, stream: bool
    ) -> tuple[int, Misbehaviour]:
        """Counts the request; its attempt, and how its answer begins if it is a continuation."""
        attempt = self._journal.next_attempt(conversation.key)
        exchange.entry.update(
            conversation=conversation.key, attempt=attempt, stream=stream, way=conversation.way
        )
        if conversation.way not in {"prefill", "user_turn"}:
            return attempt, Misbehaviour.EXACT
        number = self._journal.next_continuation(conversation.key)
        choices = self._options.misbehaviour
        misbehaviour = choices[(number - 1) % len(choices)]
        exchange.entry.update(continuation=number, misbehaviour=misbehaviour.value)
        return attempt, misbehaviour

    def _bill(self, exchange: Exchange, answer: Answer) -> None:
        usage = answer.usage
        tokens = {
            "input_tokens": usage.input_tokens,
            "cache_creation_input_tokens": usage.cache_creation_input_tokens,
            "cache_read_input_tokens": usage.cache_read_input_tokens,
        }
        self._journal.bill(**tokens)
        blocks = tuple(part.block["type"] for part in answer.parts)
        exchange.entry.update(blocks=blocks, stop_reason=answer.stop_reason, **tokens)

    def _prepare_faults(self, exchange: Exchange, attempt: int) -> None:
        exchange.fault = fault_for(self._options.faults, attempt)
        refusal = refusal_before(self._options.faults, attempt + 1)
        if refusal is not None:
            seconds = REFUSED_FOR if refusal.seconds is None else refusal.seconds
            exchange.wire.close_after = True
            exchange.when_ending = lambda: self._refuse_connections(seconds)

    async def _stream(self, exchange: Exchange, answer: Answer, rng: random.Random) -> None:
        options = self._options
        headers = {"cache-control": "no-cache", **self._limiter.headers(answer.model)}
        await exchange.head(200, headers, _EVENT_STREAM)
        frames = stream_frames(answer, rng, padding=options.padding, unknown_events=options.unknown_events)
        pace = Pace(options.tokens_per_second, options.ping_interval)
        exchange.entry.end(await self._delivery(exchange, answer).stream(frames, pace))

    async def _document(self, exchange: Exchange, answer: Answer) -> None:
        pace = Pace(self._options.tokens_per_second, None)
        await pace.wants_ping(answer.output_tokens)
        exchange.entry.generated(answer.output_tokens)
        self._limiter.charge_output(answer.model, answer.output_tokens)
        data = spoiled(document(answer), exchange.fault, exchange.request_id)
        headers = self._limiter.headers(answer.model)
        if exchange.fault is None or exchange.fault.kind not in {"eof", "cut_frame"}:
            headers["content-length"] = str(len(data))
        await exchange.head(200, headers)
        exchange.entry.end(await self._delivery(exchange, answer).document(data))

    def _delivery(self, exchange: Exchange, answer: Answer) -> Delivery:
        def charge(tokens: int) -> bool:
            exchange.entry.generated(tokens)
            return self._limiter.charge_output(answer.model, tokens)

        return Delivery(
            exchange.wire,
            exchange.entry,
            exchange.fault,
            charge=charge,
            before_end=exchange.before_end,
            request_id=exchange.request_id,
        )

    async def _fail(self, exchange: Exchange, fault: Fault, model: str) -> None:
        """The faults that strike before a body begins, or in its place."""
        ended = f"fault:{fault.kind}"
        match fault.kind:
            case "reset_before_headers":
                exchange.before_end()
                exchange.entry.end(ended)
                await exchange.wire.reset()
            case "html":
                await exchange.whole(200, html_page(200), content_type="text/html")
            case "empty":
                content_type = _EVENT_STREAM if exchange.entry.now.stream else "application/json"
                await exchange.whole(200, b"", content_type=content_type)
            case _:
                error = self._error_of(fault, model)
                await exchange.error(error, ended=ended, as_page=error.status == _PROXY_ERROR)
        exchange.entry.end(ended)

    def _error_of(self, fault: Fault, model: str) -> RequestError:
        status = fault.status or 429
        code = {"spend_cap": "enforced_spend_limit_reached"}.get(fault.kind, fault.error_code)
        if fault.kind == "ramp_limit_exceeded":
            code = "ramp_limit_exceeded"
        error = RequestError(status, fault.message, error_type=fault.error_type, error_code=code)
        if status == HTTPStatus.TOO_MANY_REQUESTS and code is None:
            limiter = (
                self._limiter if self._options.limits else RateLimiter(_SPENT, self._options, full=False)
            )
            error.headers |= limiter.headers(model)
        switches = self._options.switches
        by_default = {429: switches.retry_after_on_429, 529: switches.retry_after_on_529}.get(status, False)
        retry_after = fault.retry_after
        if retry_after is None and by_default and fault.kind != "spend_cap":
            retry_after = "1"
        if retry_after:
            error.headers["retry-after"] = retry_after
        if fault.retry_after_ms:
            error.headers["retry-after-ms"] = fault.retry_after_ms
        return error
