"""The framing in which AWS streams, as its documentation describes it; botocore decodes it on the other side.

A message is a prelude (length of the message, length of its headers, CRC of these two), the headers, the
payload and a CRC of all before it: https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html
"""

import base64
import json
import struct
import zlib
from collections.abc import Mapping

_STRING = 7
"""The type of a header whose value is a string."""
_OVERHEAD = 16
"""Bytes of a message besides headers and payload: prelude, its CRC, the CRC of the message."""


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message of an event stream."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack("!II", _OVERHEAD + len(head) + len(payload), len(head))
    covered = prelude + struct.pack("!I", zlib.crc32(prelude)) + head + payload
    return covered + struct.pack("!I", zlib.crc32(covered))


def chunk(data: bytes) -> bytes:
    """An event of the Messages API as Bedrock wraps it, with the padding that hides its length."""
    payload = {"bytes": base64.b64encode(data).decode(), "p": "abcdefghijklmnopqrstuvwxyz"}
    headers = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return message(headers, json.dumps(payload).encode())


def exception(kind: str, text: str) -> bytes:
    """What Bedrock sends when something fails after the headers."""
    headers = {
        ":exception-type": kind,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return message(headers, json.dumps({"message": text}).encode())


def _header(name: str, value: str) -> bytes:
    text = value.encode()
    return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _STRING, len(text)) + text
