"""Requests that create no message: sent as the SDK sends them, with its retries.

`protect` turns the retries of the client off, which would multiply those of a message. These requests get
them back: the SDK's own policy, by its own methods.
"""

from collections.abc import Iterator
from typing import Any

from anthropic import APIRequest, AsyncCallNext, CallNext

from seawall.connections import CONNECTIONS, running_loop
from seawall.exchange import repaired


def passed(client: Any, retries: int, request: APIRequest, call_next: CallNext) -> Any:
    """Send a request of a sync client, again after what the SDK retries."""
    for left, attempt in _attempts(request, retries):
        failed, result = None, None
        try:
            result = repaired(request, call_next(attempt))
            CONNECTIONS.note(result)
        except Exception as error:
            is_retried, failed = client._should_retry_exception(error)
            if not left or not is_retried:
                raise
        else:
            failed = _failed(client, result)
            if not left or failed is None:
                return result
        if failed is not None:
            failed.close()
        client._sleep_for_retry(**_wait(attempt, left, failed))
    return None


async def apassed(client: Any, retries: int, request: APIRequest, call_next: AsyncCallNext) -> Any:
    """Send a request of an async client, again after what the SDK retries."""
    CONNECTIONS.leave_closed_loops()
    for left, attempt in _attempts(request, retries):
        failed, result = None, None
        try:
            result = repaired(request, await call_next(attempt))
            CONNECTIONS.note(result, running_loop())
        except Exception as error:
            is_retried, failed = client._should_retry_exception(error)
            if not left or not is_retried:
                raise
        else:
            failed = _failed(client, result)
            if not left or failed is None:
                return result
        if failed is not None:
            await failed.aclose()
        await client._sleep_for_retry(**_wait(attempt, left, failed))
    return None


def _attempts(request: APIRequest, retries: int) -> Iterator[tuple[int, APIRequest]]:
    """Yield the request of each attempt, the first as the SDK made it, and how many may follow.

    None follows one that the SDK itself repeats, where its retries were turned on again.
    """
    retries = 0 if request.retries_taken else retries
    yield retries, request
    for taken in range(1, retries + 1):
        again = APIRequest(
            options=request.options.model_copy(),
            cast_to=request.cast_to,
            stream=request.stream,
            stream_cls=request.stream_cls,
            retries_taken=taken,
        )
        yield retries - taken, again


def _failed(client: Any, result: Any) -> Any:
    """Return the response of a result that the SDK retries, else `None`."""
    response = getattr(result, "http_response", None)
    if response is None or response.is_success or not client._should_retry(response):
        return None
    return response


def _wait(attempt: APIRequest, left: int, failed: Any) -> dict[str, Any]:
    return {
        "retries_taken": attempt.retries_taken,
        "max_retries": attempt.retries_taken + left,
        "options": attempt.options,
        "response": failed,
    }
