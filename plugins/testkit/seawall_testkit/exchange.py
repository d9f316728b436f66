"""A request on its way to its response, and the parts of a response that all have in common."""

from __future__ import annotations

import json
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, NoReturn

from seawall_testkit.delivery import COMPLETE
from seawall_testkit.errors import RequestError, should_retry
from seawall_testkit.limits import ORGANIZATION, WORKSPACE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seawall_testkit.faults import Fault
    from seawall_testkit.journal import Entry
    from seawall_testkit.wire import Request, Wire


@dataclass
class Exchange:
    """One request and the way back to its client."""

    wire: Wire
    request: Request
    entry: Entry
    request_id: str
    fault: Fault | None = None
    """What is going to go wrong with the response."""
    when_ending: Callable[[], None] | None = None
    """Is called once, before the client can know that the response ends."""

    @property
    def is_beta(self) -> bool:
        """Whether the request names a beta, or is one of the SDK's `client.beta`."""
        query = self.request.target.partition("?")[2]
        return "anthropic-beta" in self.request.headers or "beta=true" in query.split("&")

    def before_end(self) -> None:
        """The response is about to end, in whatever way."""
        if self.when_ending is not None:
            self.when_ending()
            self.when_ending = None

    async def head(
        self, status: int, headers: Mapping[str, str], content_type: str = "application/json"
    ) -> None:
        """Sends status and headers, the common ones among them."""
        common = {
            "date": formatdate(usegmt=True),
            "content-type": content_type,
            "request-id": self.request_id,
            "anthropic-organization-id": ORGANIZATION,
            "anthropic-workspace-id": WORKSPACE,
            "server": "cloudflare",
            "cf-cache-status": "DYNAMIC",
        }
        self.entry.update(status=status)
        await self.wire.head(status, common | dict(headers))

    async def whole(
        self,
        status: int,
        data: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        content_type: str = "application/json",
    ) -> None:
        """Sends a whole response, with its length."""
        self.before_end()
        await self.head(status, {"content-length": str(len(data)), **(headers or {})}, content_type)
        if self.request.method != "HEAD":
            await self.wire.body(data)
            self.entry.update(bytes_sent=len(data))
        await self.wire.end()

    async def json(self, value: object) -> None:
        """Sends a value with status 200 and ends the entry."""
        await self.whole(200, json.dumps(value).encode())
        self.entry.end(COMPLETE)

    async def error(self, error: RequestError, *, ended: str = COMPLETE, as_page: bool = False) -> None:
        """Sends an error and ends the entry; as a proxy's page instead of the API's body if `as_page`."""
        if as_page:
            await self.whole(error.status, html_page(error.status), error.headers, content_type="text/html")
        else:
            headers = dict(error.headers)
            retry = should_retry(error.status, error.error_code)
            if retry is not None:
                headers.setdefault("x-should-retry", retry)
            await self.whole(error.status, json.dumps(error.body(self.request_id)).encode(), headers)
        self.entry.end(ended)


def json_object(data: bytes) -> dict[str, Any]:
    """The JSON object of a request's body.

    Raises:
        RequestError: 400, it is none.
    """
    try:
        value = json.loads(data.decode(), parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        message = "The request body is not valid JSON: no low surrogate in string"
        raise RequestError(400, message) from None
    except (ValueError, RecursionError) as error:
        message = f"The request body is not valid JSON: {error}"
        raise RequestError(400, message) from None
    if not isinstance(value, dict):
        raise RequestError(400, "The request body must be a JSON object")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def html_page(status: int) -> bytes:
    """A page as a proxy shows it."""
    return (
        f"<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n"
        "<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
    ).encode()
