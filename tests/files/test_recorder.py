"""What writes a journal behind the back of a stream."""

import errno
import os
import signal
import threading

import pytest

from seawall_files.header import Header
from seawall_files.journal import Journal, recover
from seawall_files.recorder import Recorder
from seawall_files.records import Kind

HEADER = Header("f" * 64, "report.md")
NEVER = 1e6


class Disk:
    """In the place of a journal: a disk that does what a test wants, and notes what was done."""

    path = "report.md.seawall-journal"

    def __init__(self, work=lambda: None):
        self.end = 0
        self.done = []
        self.came = threading.Event()
        self._work = work

    def append(self, kind, payload):
        self.came.set()
        self._work()
        self.end += len(payload)
        self.done.append(kind)

    def sync(self):
        self.done.append("sync")

    def close(self):
        self.done.append("close")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal"


def test_frames_and_what_is_between_them_are_written_in_their_order(path):
    recorder = Recorder(Journal.create(path, HEADER), NEVER)
    assert not recorder.has_taken
    for number in range(3):
        recorder.note(Kind.ATTEMPT, {"number": number})
        for frame in (b"one", b"two", b"three"):
            assert recorder.take(frame) is None
    assert recorder.has_taken
    assert recorder.finish() is None
    found = [(record.kind, record.payload) for record in recover(path).records()]
    assert found == [
        pair
        for number in range(3)
        for pair in ((Kind.ATTEMPT, f'{{"number":{number}}}'.encode()), (Kind.FRAMES, b"onetwothree"))
    ]


def test_what_waits_is_written_and_synced_once_the_interval_is_over():
    disk = Disk()
    recorder = Recorder(disk, 0.001)
    recorder.take(b"frame")
    assert disk.came.wait(30)
    assert recorder.finish() is None
    assert disk.done == [Kind.FRAMES, "sync", "close"]


def test_much_is_written_before_the_interval_is_over_but_not_synced():
    disk = Disk()
    recorder = Recorder(disk, NEVER, clock=lambda: 0.0)
    recorder.take(bytes(2**20))
    assert disk.came.wait(30)
    assert "sync" not in disk.done
    recorder.finish()
    assert disk.done == [Kind.FRAMES, "close"]


def test_a_disk_that_hangs_stops_the_stream_and_not_its_thread():
    hang = threading.Event()
    disk = Disk(lambda: hang.wait(60))
    recorder = Recorder(disk, NEVER)
    said = [recorder.take(bytes(2**20)) for _ in range(17)]
    hang.set()
    assert recorder.finish() is None
    # the first may have been taken off before the last came
    assert said[:16] == [None] * 16
    assert "the disk is too slow: 16,777,216 bytes wait" in (said[16] or recorder.take(bytes(17 * 2**20)))


def test_a_disk_that_fails_stops_the_stream_and_is_told_at_the_end():
    def fail():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    disk = Disk(fail)
    recorder = Recorder(disk, 0.001)
    assert recorder.take(b"frame") is None
    recorder._thread.join(30)
    assert "cannot be written: No space left on device" in recorder.take(b"more")
    assert recorder.finish().errno == errno.ENOSPC
    assert disk.done == ["close"]


@pytest.mark.skipif(os.name == "nt", reason="Windows limits no files")
def test_a_full_disk_leaves_a_journal_that_can_be_read(path):
    import resource  # noqa: PLC0415 - not on Windows

    recorder = Recorder(Journal.create(path, HEADER), 0.001)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        while recorder.take(b"x" * 1000) is None:
            pass
        assert recorder.finish().errno == errno.EFBIG
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    recovered = recover(path)
    frames = b"".join(record.payload for record in recovered.records())
    assert frames == b"x" * len(frames)
    assert recovered.problem is None or "ends after" in recovered.problem
