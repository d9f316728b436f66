"""The file of a journal: made, appended to, read after a crash, gone on with."""

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from seawall_files.atomic import write_in
from seawall_files.durability import sync
from seawall_files.errors import DamagedJournalError, JournalError
from seawall_files.folder import Folder
from seawall_files.header import Header
from seawall_files.numbering import free_number, numbered
from seawall_files.places import new_name
from seawall_files.records import Kind, Reader, Record, packed, payload_of, preamble

_PRIVATE: Final = 0o600
"""It holds the request and the answer, whoever may read the target."""
_PIECE: Final = 2**20
"""Bytes of frames in one record, so that reading takes no more memory."""
_APPENDING: Final = os.O_RDWR | os.O_APPEND
_CLOSED: Final = -1


@dataclass(frozen=True, slots=True)
class Recovered:
    """What is good of a journal."""

    path: Path
    header: Header
    end: int
    """Bytes up to the end of the last good record."""
    checksum: int
    """Of that record."""
    is_done: bool
    """Whether it ends in `DONE`: the message is whole."""
    problem: str | None
    """Why what follows `end` is not used; `None` when nothing follows."""

    def records(self) -> Iterator[Record]:
        """Read the records after the header again, one in memory at a time.

        Raises:
            JournalError: It is not what it was any more.
            OSError: It cannot be read.
        """
        with _reading(self.path) as reader:
            records = iter(reader)
            next(records, None)
            while reader.end < self.end:
                record = next(records, None)
                if record is None:
                    raise JournalError(str(self.path), "was changed by something else; run it again")
                yield record


def recover(path: Path) -> Recovered:
    """Read a journal to its end, or to the first record that is cut or damaged; nothing is changed.

    Memory is that of one record.

    Raises:
        FileNotFoundError: There is none.
        DamagedJournalError: Its header is cut or damaged.
        JournalError: It is no journal, or one of another version of the format.
        OSError: It cannot be read.
    """
    with _reading(path) as reader:
        records = iter(reader)
        header = _header(next(records, None), path, reader)
        last = Kind.HEADER
        for record in records:
            last = record.kind
        return Recovered(path, header, reader.end, reader.checksum, last is Kind.DONE, reader.problem)


class Journal:
    """An open journal; for one thread at a time. Close it, or use it as a context manager.

    A record that was appended outlives the process; one that was synced, the machine.
    """

    def __init__(self, descriptor: int, path: Path, end: int, checksum: int) -> None:
        self.path = path
        self.end = end
        """Its bytes."""
        self._descriptor = descriptor
        self._checksum = checksum
        self._failure: OSError | None = None

    @classmethod
    def create(cls, path: Path, header: Header) -> Self:
        """Make a journal, for its owner only, that holds `header` for good once this returns.

        Raises:
            FileExistsError: Something is there; it is as it was.
            OSError: It cannot be made, or cannot be opened then.
            ValueError: The header is longer than a record may be.
        """
        data, checksum = preamble()
        record, checksum = packed(Record(Kind.HEADER, payload_of(header.object())), checksum)
        data += record
        with Folder.at(path.parent) as folder:
            write_in(folder, path.name, data, mode=_PRIVATE, temporary=new_name(path.name))
        return cls(_opened(path, len(data)), path, len(data), checksum)

    @classmethod
    def reopen(cls, recovered: Recovered) -> Self:
        """Open a journal to go on after its last good record; what follows that is cut off.

        Raises:
            OSError: It cannot be opened or cut.
        """
        descriptor = _opened(recovered.path, recovered.end)
        return cls(descriptor, recovered.path, recovered.end, recovered.checksum)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, kind: Kind, payload: bytes) -> None:
        """Add a record; frames may be of any length.

        Raises:
            OSError: It could not be written, or something before it; what was there is as it was, and nothing
                more is taken.
            ValueError: The payload is longer than a record may be, or the journal is closed.
        """
        if kind is Kind.FRAMES:
            for start in range(0, len(payload), _PIECE):
                self._append(Record(kind, payload[start : start + _PIECE]))
        else:
            self._append(Record(kind, payload))

    def sync(self) -> None:
        """Make what was appended outlive the machine.

        Raises:
            OSError: The disk failed; nothing more is taken, as what was lost is not known.
            ValueError: It is closed.
        """
        with self._failing():
            sync(self._descriptor)

    def close(self) -> None:
        """Close it, without syncing; more than once is nothing."""
        descriptor, self._descriptor = self._descriptor, _CLOSED
        if descriptor != _CLOSED:
            os.close(descriptor)

    def _append(self, record: Record) -> None:
        data, checksum = packed(record, self._checksum)
        with self._failing():
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        self.end += len(data)
        self._checksum = checksum

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Let no record follow one that may not be whole."""
        if self._descriptor == _CLOSED:
            raise ValueError(f"the journal {str(self.path)!r} is closed")
        if self._failure is not None:
            raise self._failure
        try:
            yield
        except BaseException as error:
            self._failure = (
                error
                if isinstance(error, OSError)
                else OSError(errno.EIO, "The last record was interrupted", str(self.path))
            )
            raise


def remove(path: Path) -> None:
    """Remove a journal for good.

    Raises:
        OSError: It cannot be removed.
    """
    with Folder.at(path.parent) as folder:
        folder.remove(path.name)
        folder.sync()


def set_aside(path: Path) -> Path:
    """Move a journal out of the way, over nothing, and return where it is: `….~1~`, `….~2~`, and so on.

    Raises:
        OSError: It cannot be moved.
    """
    with Folder.at(path.parent) as folder:
        number = free_number(folder, path.name)
        while True:
            name = numbered(path.name, number)
            try:
                folder.rename_new(path.name, folder, name)
            except FileExistsError:
                # not looked up again: where case makes no name, what is there may be listed in another one
                number += 1
                continue
            folder.sync()
            return path.with_name(name)


@contextmanager
def _reading(path: Path) -> Iterator[Reader]:
    """Read the file at `path`, which must be none that blocks or is a link."""
    with Folder.at(path.parent) as folder:
        try:
            descriptor = folder.open(path.name, os.O_RDONLY)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise JournalError(str(path), "is a link, no journal; move it away") from error
            raise
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise JournalError(str(path), "is no file, so no journal; move it away")
            # closed below, as it leaves open what it does not take
            with io.FileIO(descriptor, closefd=False) as raw, io.BufferedReader(raw) as file:
                yield Reader(file, str(path))
        finally:
            os.close(descriptor)


def _opened(path: Path, end: int) -> int:
    """Return a descriptor that appends after `end`, where the file then ends."""
    descriptor = _CLOSED
    try:
        with Folder.at(path.parent) as folder:
            descriptor = folder.open(path.name, _APPENDING)
        os.ftruncate(descriptor, end)
    except BaseException:
        if descriptor != _CLOSED:
            os.close(descriptor)
        raise
    return descriptor


def _header(record: Record | None, path: Path, reader: Reader) -> Header:
    """Return what the first record says."""
    if record is None:
        raise DamagedJournalError(str(path), f"cannot be used: {reader.problem or 'it has no header'}")
    if record.kind is not Kind.HEADER:
        raise DamagedJournalError(str(path), "cannot be used: its first record is no header")
    try:
        return Header.of(record.object())
    except ValueError as error:
        raise DamagedJournalError(str(path), f"cannot be used: {error}") from error
