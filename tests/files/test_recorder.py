"""What writes a journal behind the back of a stream."""

import errno
import os
import signal
import threading
import traceback

import pytest

from seawall_files.header import Header
from seawall_files.journal import Journal, recover
from seawall_files.recorder import Recorder
from seawall_files.records import Kind

HEADER = Header("f" * 64, "report.md")
NEVER = 1e6


def full():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Disk:
    """In the place of a journal: a disk that does what a test wants, and notes what was done."""

    path = "report.md.seawall-journal"

    def __init__(self, work=lambda: None, on_close=lambda: None):
        self.end = 0
        self.done = []
        self.came = threading.Event()
        self.synced = threading.Event()
        self._work, self._on_close = work, on_close

    def append(self, kind, payload):
        self.came.set()
        self._work()
        self.end += len(payload)
        self.done.append(kind)

    def sync(self):
        self.done.append("sync")
        self.synced.set()

    def close(self):
        self.done.append("close")
        self._on_close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal"


def test_frames_and_what_is_between_them_are_written_in_their_order(path):
    recorder = Recorder(Journal.create(path, HEADER), NEVER, pause=NEVER)
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


@pytest.mark.parametrize(
    ("pause", "size"), [(NEVER, 2**20), (0.001, 1)], ids=["much is written at once", "little after a pause"]
)
def test_what_outlives_the_process_is_synced_at_the_interval_or_the_end(pause, size):
    disk = Disk()
    recorder = Recorder(disk, NEVER, pause=pause, clock=lambda: 0.0)
    recorder.take(bytes(size))
    assert disk.came.wait(30)
    assert "sync" not in disk.done
    recorder.finish()
    assert disk.done == [Kind.FRAMES, "sync", "close"]


def test_what_was_written_before_is_synced_once_the_interval_is_over():
    disk = Disk()
    # it is over once the frame is written
    recorder = Recorder(disk, 1.0, pause=0.001, clock=lambda: 2.0 if disk.came.is_set() else 0.0)
    recorder.take(b"frame")
    assert disk.synced.wait(30)
    assert disk.done == [Kind.FRAMES, "sync"]
    recorder.finish()
    assert disk.done == [Kind.FRAMES, "sync", "close"]


def test_a_journal_that_cannot_be_closed_is_told_at_the_end():
    recorder = Recorder(Disk(on_close=full), NEVER)
    recorder.take(b"frame")
    assert recorder.finish().errno == errno.ENOSPC


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one thread")
def test_ctrl_c_at_the_end_leaves_nobody_who_still_writes():
    go = threading.Event()
    disk = Disk(lambda: go.wait(30))
    recorder = Recorder(disk, NEVER)
    recorder.take(bytes(2**20))
    assert disk.came.wait(30)
    main = threading.get_ident()

    interrupts = iter([KeyboardInterrupt])

    def interrupted(_, frame):
        # not where `start` waits for the thread that interrupts
        names = {at.f_code.co_name for at, _ in traceback.walk_stack(frame)}
        if {"finish", "wait"} <= names:
            for error in interrupts:
                raise error
            # it waits once more
            go.set()

    def interrupt():
        while not go.wait(0.001):
            signal.pthread_kill(main, signal.SIGINT)

    before = signal.signal(signal.SIGINT, interrupted)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            recorder.finish()
        assert disk.done == [Kind.FRAMES, "sync", "close"]
    finally:
        go.set()
        thread.join()
        signal.signal(signal.SIGINT, before)


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
    taken = threading.Event()
    disk = Disk(lambda: (taken.wait(60), full()))
    recorder = Recorder(disk, 0.001)
    assert recorder.take(b"frame") is None
    taken.set()
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
