"""One call whose answer is saved: its lock, its journal, its target."""

import errno
import logging
import os
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from seawall import Amend, Call, Outcome, Reject, Replay, Stop, Wait
from seawall_files.atomic import replace_file
from seawall_files.earlier import earlier_attempts
from seawall_files.errors import (
    DamagedJournalError,
    JournalConflictError,
    JournalError,
    NotSavedError,
    SavingError,
    TargetLockedError,
)
from seawall_files.fingerprint import body_of, fingerprint
from seawall_files.folder import Folder
from seawall_files.header import Header
from seawall_files.journal import Journal, Recovered, recover, remove, set_aside
from seawall_files.locks import TargetLock
from seawall_files.places import journal_path, new_name, real_target, takes_a_file, untouched
from seawall_files.recorder import Recorder
from seawall_files.records import Kind
from seawall_files.saving import Saving
from seawall_files.settings import FilesSettings

_log = logging.getLogger("seawall.files")

_ASK_AGAIN: Final = 0.25
"""Seconds between two looks at a lock that another call has."""
_STREAMED: Final = Amend(stream=True)
"""What does not stream comes all at once at the end, or not at all."""


class Keeping:
    """What becomes of one call that is made inside `saving`.

    `begin` and `end` block; the other methods wait for nothing.

    Args:
        now: Seconds since the epoch, for what a journal says of itself.
        recorder: As `Files` takes it.
    """

    def __init__(
        self,
        call: Call,
        saving: Saving,
        settings: FilesSettings,
        now: float,
        *,
        recorder: Callable[[Journal, float], Recorder] | None = None,
    ) -> None:
        self._call = call
        self._new_recorder = recorder or Recorder
        self._saving = saving
        self._settings = settings
        self._now = now
        self._target = saving.path
        self._lock: TargetLock | None = None
        self._waited = 0.0
        self._recorder: Recorder | None = None
        self._pid = os.getpid()
        self._attempts_before = 0
        """Those of earlier processes of which anything came."""

    @property
    def is_ready(self) -> bool:
        """Whether attempts may be sent."""
        return self._recorder is not None

    # -- before the first attempt

    def begin(self) -> Reject | Wait | Replay | Amend:
        """Lock the target and open its journal; returns what `pre_request` is to answer."""
        try:
            late = self._take_lock()
            return late or self._open()
        except (JournalError, SavingError) as error:
            return Reject(error)
        except (OSError, ValueError) as error:
            # a path with a zero byte, or a request longer than a journal takes
            why = f"cannot be saved to: {_reason(error, self._saving.path)}; nothing was sent"
            refusal = SavingError(str(self._saving.path), why)
            refusal.__cause__ = error
            return Reject(refusal)

    def _take_lock(self) -> Reject | Wait | None:
        self._target = real_target(self._saving.path)
        if not self._target.parent.is_dir():
            raise SavingError(
                str(self._saving.path), "cannot be saved to: its folder does not exist; nothing was sent"
            )
        if not takes_a_file(self._saving.path, self._target):
            raise SavingError(
                str(self._saving.path), "cannot be saved to: it is no regular file; nothing was sent"
            )
        try:
            self._lock = TargetLock.take(self._target, timeout=0, command=self._saving.command)
        except TargetLockedError as error:
            timeout = self._settings.lock_timeout
            if (left := timeout - self._waited) <= 0:
                return Reject(TargetLockedError(error.path, error.holder, timeout))
            wait = min(_ASK_AGAIN, left)
            self._waited += wait
            return Wait(wait, f"another call is saving to {str(self._saving.path)!r}")
        return None

    def _open(self) -> Replay | Amend:
        path = journal_path(self._target)
        recovered = self._recovered(path)
        if recovered is None:
            self._record(self._create(path))
            return _STREAMED
        if recovered.problem is not None:
            _log.warning("%s: %s; what comes before it is used", path, recovered.problem)
        try:
            attempts = earlier_attempts(recovered.records())
        except ValueError as error:
            raise JournalError(str(path), f"cannot be used: {error}; discard it") from error
        self._attempts_before = len(attempts)
        self._record(Journal.reopen(recovered))
        return Replay(attempts) if attempts else _STREAMED

    def _recovered(self, path: Path) -> Recovered | None:
        """Return what is there of a journal of this request; one that cannot be used is put aside."""
        try:
            recovered = recover(path)
        except FileNotFoundError:
            return None
        except DamagedJournalError as error:
            _log.warning("%s; it was moved to %s", error, set_aside(path))
            return None
        if recovered.header.fingerprint != fingerprint(self._call.params):
            raise JournalConflictError(str(path), str(self._saving.path))
        return recovered

    def _create(self, path: Path) -> Journal:
        params = self._call.params
        header = Header(
            fingerprint(params),
            str(self._saving.path),
            model=self._call.model,
            created=self._now,
            seawall=version("seawall-core"),
            request=body_of(params),
            details={"beta": self._call.beta},
        )
        return Journal.create(path, header)

    def _record(self, journal: Journal) -> None:
        self._recorder = self._new_recorder(journal, self._settings.sync_interval)

    # -- while it runs

    def take(self, frame: bytes) -> Stop | None:
        """Take a frame that arrived."""
        reason = self._recorder.take(frame) if self._recorder is not None else None
        return None if reason is None else Stop(reason)

    def accept(self) -> None:
        """An attempt begins to arrive."""
        attempt = self._call.attempts[-1]
        said = {
            "number": len(self._call.earlier) + attempt.number,
            "way": attempt.way,
            "asked": attempt.asked,
        }
        self._note(Kind.ATTEMPT, said)

    def fail(self, error: Exception) -> None:
        """An attempt failed."""
        if self._call.attempts[-1].events:
            self._note(Kind.FAILED, {"reason": type(error).__name__})

    def _note(self, kind: Kind, value: Mapping[str, Any]) -> None:
        if self._recorder is not None:
            self._recorder.note(kind, value)

    # -- at its end

    def end(self, outcome: Outcome) -> None:
        """Replace the target if the answer is whole, else keep the journal.

        Raises:
            NotSavedError: The target could not be replaced.
        """
        if self._pid != os.getpid():
            # in a child that was forked while it ran; file and journal are its parent's
            return
        is_saved = False
        try:
            if self._recorder is not None:
                is_saved = self._finish(self._recorder, outcome)
        finally:
            if self._lock is not None:
                self._lock.release()
            self._saving.end(is_saved=is_saved)

    def _finish(self, recorder: Recorder, outcome: Outcome) -> bool:
        """Close the journal; returns whether the target holds the answer."""
        path = journal_path(self._target)
        if outcome.status == "completed":
            recorder.note(Kind.DONE, {})
        failure = recorder.finish()
        if failure is not None:
            _log.warning("%s: the journal could not be written to its end: %s", path, failure)
        if outcome.status == "completed":
            is_saved = self._replace(text_of(outcome.message), _kept(path, failure))
            _discard(path)
            return is_saved
        if not (recorder.has_taken or self._attempts_before):
            _discard(path)
        elif outcome.error is not None and os.path.lexists(path):
            outcome.error.add_note(
                f"Seawall: what came is kept in {str(path)!r}; the same call again goes on from there."
            )
        return False

    def _replace(self, text: str, kept: str) -> bool:
        """Let the target hold the text of the answer; returns whether it does."""
        path = str(self._saving.path)
        if not text:
            _log.warning("the answer has no text; %s", untouched(self._target, path))
            return False
        try:
            with Folder.at(self._target.parent) as folder:
                name = self._target.name
                # half a surrogate pair is no UTF-8
                data = text.encode(errors="replace")
                backups = self._settings.backups
                replace_file(folder, name, data, backups=backups, temporary=new_name(name))
        except OSError as error:
            is_there = os.path.lexists(self._target)
            raise NotSavedError(path, kept, error, text, is_there=is_there) from error
        return True


def text_of(message: Mapping[str, Any] | None) -> str:
    """Return the text of a message in the shape of the API's JSON answer."""
    blocks = (message or {}).get("content") or ()
    return "".join(block.get("text") or "" for block in blocks if block.get("type") == "text")


def _kept(path: Path, failure: OSError | None) -> str:
    """Return where a whole answer is whose file cannot be written."""
    if not os.path.lexists(path):
        # somebody removed it, as with its folder
        return "Its journal is gone as well: the answer is in `text` of this error"
    if failure is not None:
        return f"The beginning of the answer is in {str(path)!r}"
    return f"The whole answer is in {str(path)!r}: the same call again returns it, and sends nothing"


def _reason(error: OSError | ValueError, path: Path) -> str:
    """Return what is wrong with a path, or with the request for it."""
    if not isinstance(error, OSError):
        return str(error)
    if error.errno == errno.ENAMETOOLONG:
        whole, longest = len(os.fsencode(path)), max(len(os.fsencode(name)) for name in path.parts)
        return (
            f"its longest name has {longest:,} bytes and the whole path {whole:,}, where most systems take "
            "255 and 4,095; give it a shorter one"
        )
    return error.strerror or str(error)


def _discard(path: Path) -> None:
    try:
        remove(path)
    except FileNotFoundError:
        return
    except OSError as error:
        _log.warning("%s is of no use any more and cannot be removed: %s", path, error.strerror)
