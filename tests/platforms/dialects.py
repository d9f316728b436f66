"""How each platform speaks of a message: what a gateway makes of its requests, and of the answers to them."""

import json
import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from platforms import eventstream

Headers = dict[str, str]


@dataclass(frozen=True)
class Seen:
    """A request as the client sent it."""

    method: str
    path: str
    headers: Headers
    """Names in lower case."""
    content: bytes

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.content)
        return body


@dataclass(frozen=True)
class Plain:
    """A request as the Messages API takes it."""

    path: str
    body: dict[str, Any]
    headers: Headers = field(default_factory=dict)


class Dialect:
    """The Messages API behind a prefix, as most platforms have it."""

    prefix = "/anthropic"

    def plain(self, seen: Seen) -> Plain:
        """The request for the Messages API; `AssertionError` when the platform would not know it."""
        assert seen.path.startswith(f"{self.prefix}/v1/messages")
        kept = ("anthropic-version", "anthropic-beta")
        headers = {name: seen.headers[name] for name in kept if name in seen.headers}
        assert headers.get("anthropic-version")
        body = {**seen.body, "model": plain_model(seen.body["model"])}
        return Plain(seen.path.removeprefix(self.prefix), body, headers)

    def error(self, status: int, body: dict[str, Any]) -> tuple[Headers, object]:
        """An HTTP error of the Messages API as the platform words it."""
        return {}, body

    def stream(self) -> "Passing":
        """What turns the body of a stream into the platform's."""
        return Passing()


class Vertex(Dialect):
    """The model is in the path, the version in the body; errors are Google's."""

    def plain(self, seen: Seen) -> Plain:
        path = urllib.parse.unquote(seen.path.partition("?")[0])
        match = re.fullmatch(
            r"/v1/projects/[^/]+/locations/[^/]+/publishers/anthropic/models/([^/:]+):(\w+)", path
        )
        assert match is not None
        model, verb = match.groups()
        body = dict(seen.body)
        headers = {"anthropic-version": body.pop("anthropic_version")}
        if "anthropic-beta" in seen.headers:
            headers["anthropic-beta"] = seen.headers["anthropic-beta"]
        if model == "count-tokens":
            return Plain("/v1/messages/count_tokens", {**body, "model": plain_model(body["model"])}, headers)
        assert verb == ("streamRawPredict" if body.get("stream") else "rawPredict")
        assert "model" not in body
        return Plain("/v1/messages", {**body, "model": plain_model(model)}, headers)

    def error(self, status: int, body: dict[str, Any]) -> tuple[Headers, object]:
        error = {"code": status, "message": body["error"]["message"], "status": body["error"]["type"].upper()}
        return {}, [{"error": error}]


class Bedrock(Dialect):
    """Model and streaming are in the path, version and betas in the body; streams are AWS event streams."""

    def plain(self, seen: Seen) -> Plain:
        match = re.fullmatch(r"/model/([^/]+)/invoke(-with-response-stream)?", seen.path)
        assert match is not None
        body = dict(seen.body)
        assert not {"model", "stream"} & set(body)
        headers = {"anthropic-version": body.pop("anthropic_version")}
        if betas := body.pop("anthropic_beta", None):
            headers["anthropic-beta"] = ",".join(betas)
        body |= {"model": plain_model(urllib.parse.unquote(match[1])), "stream": match[2] is not None}
        return Plain("/v1/messages", body, headers)

    def error(self, status: int, body: dict[str, Any]) -> tuple[Headers, object]:
        return {"x-amzn-errortype": "SomethingException"}, {"message": body["error"]["message"]}

    def stream(self) -> "Passing":
        return Wrapping()


class Passing:
    """The body of a stream as it is."""

    content_type = "text/event-stream; charset=utf-8"

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What can be sent now."""
        yield data

    def rest(self) -> bytes:
        """What is left of an event that was cut."""
        return b""


class Wrapping(Passing):
    """Server-sent events as messages of an AWS event stream."""

    content_type = "application/vnd.amazon.eventstream"

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        *frames, self._rest = (self._rest + data).split(b"\n\n")
        for frame in frames:
            event = frame.partition(b"data: ")[2]
            if b'"message_stop"' in event:
                metrics = {"inputTokenCount": 1, "outputTokenCount": 1, "invocationLatency": 1}
                event = json.dumps(
                    {**json.loads(event), "amazon-bedrock-invocationMetrics": metrics}
                ).encode()
            yield eventstream.chunk(event)

    def rest(self) -> bytes:
        whole = eventstream.chunk(self._rest)
        return whole[: len(whole) // 2] if self._rest else b""


def plain_model(name: str) -> str:
    """The API's name of a model from a platform's; an inference profile tells none."""
    if name.startswith("arn:"):
        return "claude-opus-5-5"
    return re.sub(r"^([a-z]+\.)?anthropic\.|-v\d+(:\d+)?$|@\w+$|-\d{8}(?=-v|@|$)", "", name)
