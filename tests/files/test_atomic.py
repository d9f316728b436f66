"""A file is the old one or the whole new one, whatever happens while it is written."""

from __future__ import annotations

import errno
import os
import stat
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from seawall_files import write_atomic

posix = pytest.mark.skipif(os.name == "nt", reason="modes, links and limits of POSIX")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# -- what is written


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_the_new_file_holds_exactly_the_data(tmp_path: Path, before: bytes, after: bytes) -> None:
    target = tmp_path / "f"
    write_atomic(target, before)
    write_atomic(target, after)
    assert target.read_bytes() == after
    assert names(tmp_path) == ["f"]


def test_a_large_file_is_written_whole(tmp_path: Path) -> None:
    data = os.urandom(1 << 20) * 8
    write_atomic(tmp_path / "f", data)
    assert (tmp_path / "f").read_bytes() == data


@pytest.mark.parametrize("form", [str, Path, os.fspath])
def test_the_path_may_be_text_or_a_path(form: Any, tmp_path: Path) -> None:
    write_atomic(form(tmp_path / "f"), b"x")
    assert (tmp_path / "f").read_bytes() == b"x"


def test_a_relative_path_is_one_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_atomic("f", b"x")
    assert (tmp_path / "f").read_bytes() == b"x"


@pytest.mark.parametrize(
    "name", ["x" * 255, "é" * 127, "名" * 85, ".hidden", "a b", "-r", "new\nline"], ids=range(7)
)
def test_a_name_may_be_as_long_and_odd_as_the_system_allows(name: str, tmp_path: Path) -> None:
    write_atomic(tmp_path / name, b"old")
    write_atomic(tmp_path / name, b"new")
    assert (tmp_path / name).read_bytes() == b"new"
    assert names(tmp_path) == [name]


def test_a_reader_of_the_old_file_keeps_it_whole(tmp_path: Path) -> None:
    target = tmp_path / "f"
    target.write_bytes(b"old")
    with target.open("rb") as reader:
        write_atomic(target, b"new")
        assert reader.read() == b"old"


def test_sixteen_threads_leave_one_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "f"
    contents = [bytes([number]) * 5000 for number in range(16)]
    begin = threading.Barrier(16)

    def write(data: bytes) -> None:
        begin.wait()
        for _ in range(5):
            write_atomic(target, data)

    threads = [threading.Thread(target=write, args=(data,)) for data in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_bytes() in contents
    assert names(tmp_path) == ["f"]


# -- what is kept


@posix
@pytest.mark.parametrize("kept", [0o600, 0o644, 0o640, 0o755, 0o777, 0o444, 0o400, 0o4755])
def test_the_mode_of_the_old_file_is_kept(kept: int, tmp_path: Path) -> None:
    target = tmp_path / "f"
    target.write_bytes(b"old")
    target.chmod(kept)
    write_atomic(target, b"new")
    assert (mode(target), target.read_bytes()) == (kept, b"new")


@posix
def test_a_new_file_gets_the_mode_the_umask_leaves(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")
    write_atomic(tmp_path / "f", b"")
    assert mode(tmp_path / "f") == mode(tmp_path / "usual")


@posix
def test_the_data_is_never_more_readable_than_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "f"
    target.write_bytes(b"old")
    target.chmod(0o600)
    script = """
import os, sys
from seawall_files import write_atomic
def look(event, arguments):
    if event in ("os.chmod", "os.rename"):
        print(event, oct(os.stat([n for n in os.listdir(".") if n.endswith(".tmp")][0]).st_mode & 0o777))
sys.addaudithook(look)
os.umask(0)
write_atomic("f", b"new")
"""
    assert in_a_process(script, tmp_path).splitlines() == ["os.chmod 0o600", "os.rename 0o600"]


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_of_the_old_file_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "f"
    target.write_bytes(b"old")
    os.chown(target, 12, 34)
    target.chmod(0o6755)
    write_atomic(target, b"new")
    status = target.stat()
    assert (status.st_uid, status.st_gid, mode(target)) == (12, 34, 0o6755)


def access_list(**allowed: int) -> bytes:
    """An access control list as Linux keeps it: owner, one other user, group, mask, all others."""
    tags = {"owner": 1, "user": 2, "group": 4, "mask": 16, "others": 32}
    entries = [(tags[who], may, 1000 if who == "user" else 0xFFFF_FFFF) for who, may in allowed.items()]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@pytest.mark.skipif(sys.platform != "linux", reason="access control lists of Linux")
@pytest.mark.parametrize("has_one", [True, False])
def test_the_access_control_list_of_the_old_file_is_kept_and_none_is_added(
    tmp_path: Path, *, has_one: bool
) -> None:
    target, name = tmp_path / "f", "system.posix_acl_access"
    target.write_bytes(b"old")
    target.chmod(0o660)
    if has_one:
        # the mode says 660, and yet the group may do nothing
        os.setxattr(target, name, access_list(owner=6, user=6, group=0, mask=6, others=0))
    for_new_files = access_list(owner=7, user=7, group=5, mask=7, others=5)
    os.setxattr(tmp_path, "system.posix_acl_default", for_new_files)
    before = {name: os.getxattr(target, name) for name in os.listxattr(target)}
    write_atomic(target, b"new")
    assert {name: os.getxattr(target, name) for name in os.listxattr(target)} == before
    assert (mode(target), target.read_bytes()) == (0o660, b"new")


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may become another")
@pytest.mark.parametrize(("groups", "kept"), [([34], (34, 0o664)), ([], (56, 0o644))])
def test_who_may_not_give_a_file_away_keeps_its_group_or_gives_theirs_no_more_than_all(
    groups: list[int], kept: tuple[int, int]
) -> None:
    script = f"""
import os
from seawall_files.atomic import write_atomic

target = os.open("f", os.O_WRONLY | os.O_CREAT)
os.fchown(target, 12, 34)
os.fchmod(target, 0o664)
os.chmod(".", 0o777)
os.setgroups({groups})
os.setgid(56)
os.setuid(78)
write_atomic("f", b"new")
status = os.stat("f")
print(status.st_uid, status.st_gid, oct(status.st_mode & 0o777))
"""
    # that of pytest is below a folder of root's own
    with tempfile.TemporaryDirectory() as folder:
        assert in_a_process(script, Path(folder)).split() == ["78", str(kept[0]), oct(kept[1])]


@posix
def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "f"
    target.write_bytes(b"old")
    (tmp_path / "first").symlink_to("elsewhere/f")
    (tmp_path / "second").symlink_to("first")
    write_atomic(tmp_path / "second", b"new")
    assert (tmp_path / "second").is_symlink()
    assert (tmp_path / "first").is_symlink()
    assert target.read_bytes() == b"new"
    assert (names(tmp_path), names(tmp_path / "elsewhere")) == (["elsewhere", "first", "second"], ["f"])


@posix
def test_a_link_to_nothing_gets_its_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("f")
    write_atomic(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "f").read_bytes() == b"new"


# -- what fails


@posix
def test_a_link_to_itself_is_an_os_error_and_stays(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number tells
        write_atomic(tmp_path / "a", b"x")
    assert caught.value.errno == errno.ELOOP
    assert names(tmp_path) == ["a", "b"]
    assert (tmp_path / "a").is_symlink()


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match="folder"):
        write_atomic(tmp_path / "folder", b"x")
    assert names(tmp_path) == ["folder"]


@pytest.mark.parametrize("path", ["", ".", Path.cwd().anchor])
def test_a_path_that_names_no_file_is_a_folder(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IsADirectoryError):
        write_atomic(path, b"x")
    assert names(tmp_path) == []


@posix
def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="Not a regular file"):
        write_atomic(tmp_path / "pipe", b"x")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert names(tmp_path) == ["pipe"]


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "no" / "f", b"x")
    assert names(tmp_path) == []


def test_a_file_in_place_of_the_folder_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    with pytest.raises(OSError):  # noqa: PT011 - NotADirectoryError on POSIX, FileNotFoundError on Windows
        write_atomic(tmp_path / "f" / "g", b"x")
    assert (tmp_path / "f").read_bytes() == b"old"


def test_a_name_too_long_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - the number differs by system
        write_atomic(tmp_path / ("x" * 300), b"x")
    assert names(tmp_path) == []


@pytest.mark.parametrize("data", ["text", None, 3])
def test_what_is_no_bytes_leaves_the_old_file_and_nothing_else(data: Any, tmp_path: Path) -> None:
    target = tmp_path / "f"
    target.write_bytes(b"old")
    with pytest.raises(TypeError):
        write_atomic(target, data)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


def in_a_process(script: str, folder: Path) -> str:
    """Run a script in `folder`."""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@posix
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    script = """
import errno, resource
from seawall_files import write_atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_atomic("f", b"x" * 5000)
except OSError as error:
    print(errno.errorcode[error.errno])
"""
    assert in_a_process(script, tmp_path) == "EFBIG"
    assert (tmp_path / "f").read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


@posix
def test_a_folder_that_may_not_be_written_leaves_the_old_file() -> None:
    script = """
import os
from seawall_files import write_atomic
if os.geteuid() == 0:
    os.seteuid(65534)  # root may write everywhere
try:
    write_atomic("f", b"new")
except PermissionError:
    print("refused")
"""
    # not in `tmp_path`, which nobody else may enter
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "f").write_bytes(b"old")
        folder.chmod(0o555)
        assert in_a_process(script, folder) == "refused"
        assert (folder / "f").read_bytes() == b"old"
        assert names(folder) == ["f"]
        folder.chmod(0o700)


@posix
def test_a_folder_that_cannot_be_synced_holds_the_new_file_all_the_same(tmp_path: Path) -> None:
    script = """
import os, stat
from seawall_files import write_atomic
real, synced = os.fsync, []
def fsync(descriptor):
    status = os.fstat(descriptor)
    if stat.S_ISDIR(status.st_mode):
        synced.append("folder")
        raise OSError(22, "Invalid argument")
    synced.append(f"file of {status.st_size} bytes")
    real(descriptor)
os.fsync = fsync
free = os.dup(0)
os.close(free)
write_atomic("f", b"new")
print(*synced, os.dup(0) == free)
"""
    assert in_a_process(script, tmp_path) == "file of 3 bytes folder True"
    assert (tmp_path / "f").read_bytes() == b"new"
