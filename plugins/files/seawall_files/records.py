"""The bytes of a journal. Sans-I/O, but for the open file that is read.

A journal is a preamble and then records, all numbers big-endian:

- preamble: `MAGIC`, the version of the format (2 bytes), the CRC-32 of both (4);
- record: its kind (1), the bytes of its payload (4), a CRC-32 (4), the payload.

The CRC-32 of a record goes on from that of the record before, the first one from that of the preamble. So a
record that is lost, repeated or out of its place does not fit either, and the first that does not fit ends
what can be read. CRC-32 finds what disks and torn writes do; it is no protection against forgery, and need
not be one: who can write the journal can write the answer.
"""

import enum
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from seawall_files.errors import DamagedJournalError, JournalError

# not text, not valid in any encoding, and changed by whatever changes line ends: as that of PNG
MAGIC: Final = b"\x89SWJ\r\n\x1a\n"
VERSION: Final = 1
LONGEST: Final = 64 * 2**20
"""Bytes of a payload; a header holds a request, of which the API takes 32 MB."""
_PREAMBLE: Final = struct.Struct(">8sHI")
_HEAD: Final = struct.Struct(">BII")
_PLAIN: Final = struct.Struct(">BI")


class Kind(enum.IntEnum):
    """What a record holds; 0 is none, so that a file that ends in zeros does not hold records."""

    HEADER = 1
    """JSON: what the journal is about; the first record, and only that."""
    ATTEMPT = 2
    """JSON: an attempt begins, `{"number": 1, "way": "send"}`; its frames follow."""
    FRAMES = 3
    """Bytes of SSE frames as they came, any number; the first or last one may be in two records."""
    FAILED = 4
    """JSON: the attempt failed, `{"reason": "…"}`."""
    DONE = 5
    """JSON, an empty object: the message is whole."""


_KINDS: Final = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Record:
    """One record."""

    kind: Kind
    payload: bytes

    def object(self) -> dict[str, Any]:
        """The payload of any kind but `FRAMES`.

        Raises:
            ValueError: It is no JSON object.
        """
        try:
            value = json.loads(self.payload)
        except RecursionError as error:
            raise ValueError("the JSON of a record is nested too deeply") from error
        if not isinstance(value, dict):
            raise ValueError(f"a record holds a JSON object, not {type(value).__name__}")  # noqa: TRY004
        return value


def payload_of(value: Mapping[str, Any]) -> bytes:
    """Return the payload that holds an object."""
    # escaped: half a surrogate pair, as names of files have, is no UTF-8
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def preamble(version: int = VERSION) -> tuple[bytes, int]:
    """Return the first bytes of a journal, and the checksum with which the first record goes on."""
    checksum = zlib.crc32(_PREAMBLE.pack(MAGIC, version, 0)[:-4])
    return _PREAMBLE.pack(MAGIC, version, checksum), checksum


def packed(record: Record, checksum: int) -> tuple[bytes, int]:
    """Return the bytes of a record after one with `checksum`, and its own.

    Raises:
        ValueError: It is longer than `LONGEST`.
    """
    length = len(record.payload)
    if length > LONGEST:
        raise ValueError(
            f"a record of {length:,} bytes; a journal holds records of {LONGEST:,} bytes at most"
        )
    checksum = zlib.crc32(record.payload, zlib.crc32(_PLAIN.pack(record.kind, length), checksum))
    return _HEAD.pack(record.kind, length, checksum) + record.payload, checksum


class Reader:
    """Reads the records of a file, one in memory at a time, up to the first that does not fit.

    Args:
        file: Opened for reading bytes, at its beginning.
        name: As errors name it.

    Raises:
        DamagedJournalError: It is cut or damaged in its first bytes.
        JournalError: It is no journal, or one of another version.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self.problem: str | None = None
        """Why reading ended before the file did."""
        self.count = 0
        """Records read so far."""
        self.checksum = _check(file.read(_PREAMBLE.size), name)
        """Of the last record that was read."""
        self.end = _PREAMBLE.size
        """Where it ends, in bytes."""

    def __iter__(self) -> Iterator[Record]:
        while head := self._file.read(_HEAD.size):
            found = self._record(head)
            if found is None:
                return
            record, self.checksum = found
            self.count += 1
            self.end += _HEAD.size + len(record.payload)
            yield record

    def _record(self, head: bytes) -> tuple[Record, int] | None:
        """Return the record and its checksum; without one, `problem` says why."""
        if len(head) < _HEAD.size:
            self._stop(f"ends after {len(head)} bytes")
            return None
        kind, length, checksum = _HEAD.unpack(head)
        if kind not in _KINDS or length > LONGEST:
            self._stop("is damaged: no record begins like that")
            return None
        payload = self._file.read(length)
        if len(payload) < length:
            self._stop(f"ends after {len(payload):,} of {length:,} bytes, or its length is damaged")
            return None
        record = Record(Kind(kind), payload)
        if packed(record, self.checksum)[1] != checksum:
            self._stop("is damaged: its checksum does not fit")
            return None
        return record, checksum

    def _stop(self, why: str) -> None:
        self.problem = f"record {self.count + 1}, at byte {self.end:,}, {why}"


def _check(data: bytes, name: str) -> int:
    """Return the checksum of a preamble, or raise what it is instead."""
    if not data.startswith(MAGIC[: len(data)]):
        raise JournalError(name, "is no journal of Seawall; move it away, or save to another file")
    if len(data) < _PREAMBLE.size:
        raise DamagedJournalError(name, f"ends after {len(data)} bytes")
    _, version, checksum = _PREAMBLE.unpack(data)
    if preamble(version)[1] != checksum:
        raise DamagedJournalError(name, "is damaged in its first bytes")
    if version != VERSION:
        raise JournalError(
            name,
            f"has version {version} of the format, this Seawall reads version {VERSION}; go on with the one "
            "that wrote it, or move it away",
        )
    return int(checksum)
