"""What a workspace does with paths that it takes."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import stat
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from files.traps import DESCENTS, HELD
from seawall_files import Deleted, UnsuitableFileError, Workspace, WorkspaceError
from seawall_files.descent import best_descent, by_pinning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seawall_files.descent import Descent
    from seawall_files.folder import Folder

posix = pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")


@pytest.fixture(params=DESCENTS)
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    root = tmp_path / "root"
    root.mkdir()
    with Workspace(root, descend=request.param) as workspace:
        yield workspace


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def nest(folder: Path, levels: int, name: str) -> None:
    """Make a folder in a folder, and another one in that, so many times."""
    place = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=place)
        above, place = place, os.open(name, os.O_RDONLY, dir_fd=place)
        os.close(above)
    os.close(place)


# -- the root


def test_a_root_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        Workspace(tmp_path / "nothing")


def test_a_root_that_is_a_file_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    with pytest.raises(NotADirectoryError):
        Workspace(tmp_path / "f")


def test_a_whole_file_system_is_no_root() -> None:
    with pytest.raises(ValueError, match="confines nothing"):
        Workspace(Path.cwd().anchor)


@posix
def test_a_link_to_the_root_is_followed_once(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text(name)
    (tmp_path / "link").symlink_to("one")
    with Workspace(tmp_path / "link") as workspace:
        (tmp_path / "link").unlink()
        (tmp_path / "link").symlink_to("two")
        assert workspace.read_bytes("f") == b"one"


@posix
def test_a_root_that_is_moved_stays_the_root(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with Workspace(tmp_path / "one") as workspace:
        (tmp_path / "one").rename(tmp_path / "two")
        (tmp_path / "one").mkdir()
        workspace.write("f", "x")
    assert names(tmp_path / "two") == ["f"]
    assert names(tmp_path / "one") == []


@posix
def test_a_closed_workspace_is_not_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "root").mkdir()
    (tmp_path / "f").write_text("of the working directory")
    for descend in DESCENTS[:-1]:
        workspace = Workspace(tmp_path / "root", descend=descend)
        workspace.close()
        workspace.close()
        for operate in (workspace.read_bytes, workspace.list, workspace.delete):
            with pytest.raises(OSError, match=r"[Bb]ad file descriptor"):
                operate("f")
    assert names(tmp_path) == ["f", "root"]


# -- writing


def test_what_is_written_is_read(workspace: Workspace, root: Path) -> None:
    workspace.write("a.md", "Grüße\r\n")
    workspace.write("b", b"\0\xff")
    assert workspace.read_text("a.md") == "Grüße\r\n"
    assert workspace.read_bytes("b") == b"\0\xff"
    assert (root / "a.md").read_bytes() == "Grüße\r\n".encode()


def test_folders_on_the_way_are_made(workspace: Workspace, root: Path) -> None:
    workspace.write("a/b/c.txt", "x")
    workspace.append("d/e", "y")
    workspace.replace("a/f/g", "z")
    assert [entry.path for entry in workspace.list(recursive=True)] == [
        *["a", "a/b", "a/b/c.txt", "a/f", "a/f/g", "d", "d/e"]
    ]
    assert (root / "a" / "b" / "c.txt").read_text() == "x"


def test_write_never_replaces(workspace: Workspace, root: Path) -> None:
    workspace.write("a/f", "old")
    with pytest.raises(FileExistsError, match=r"'a/f'$"):
        workspace.write("a/f", "new")
    with pytest.raises(FileExistsError):
        workspace.write("a", "new")
    assert workspace.read_bytes("a/f") == b"old"
    assert names(root / "a") == ["f"]


def test_of_sixteen_threads_one_makes_a_file(workspace: Workspace, root: Path) -> None:
    begin, made = threading.Barrier(16), []

    def write(number: int) -> None:
        begin.wait()
        try:
            workspace.write("d/f", str(number) * 1000)
        except FileExistsError:
            return
        made.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert workspace.read_text("d/f") == str(made[0]) * 1000
    assert names(root / "d") == ["f"]


def test_replace_makes_or_replaces(workspace: Workspace, root: Path) -> None:
    workspace.replace("f", "old")
    workspace.replace("f", "new")
    assert workspace.read_bytes("f") == b"new"
    assert names(root) == ["f"]


@posix
def test_replace_keeps_the_mode(workspace: Workspace, root: Path) -> None:
    workspace.write("f", "old")
    (root / "f").chmod(0o750)
    workspace.replace("f", "new")
    assert (root / "f").stat().st_mode & 0o777 == 0o750


def test_a_folder_is_not_replaced(workspace: Workspace) -> None:
    workspace.write("a/f", "x")
    for operate in (workspace.replace, workspace.append):
        with pytest.raises(IsADirectoryError):
            operate("a", "x")
    with pytest.raises(IsADirectoryError):
        workspace.read_bytes("a")


def test_append_adds_to_the_end_or_makes(workspace: Workspace) -> None:
    workspace.append("f", "one")
    workspace.append("f", b"two")
    assert workspace.read_bytes("f") == b"onetwo"


@pytest.mark.parametrize("data", [None, 3, ["x"]])
def test_what_is_neither_text_nor_bytes_is_a_type_error(data: Any, workspace: Workspace, root: Path) -> None:
    for operate in (workspace.write, workspace.replace, workspace.append):
        with pytest.raises(TypeError):
            operate("f", data)
    assert names(root) == []


def test_a_text_that_is_no_utf_8_is_refused_and_nothing_is_made(workspace: Workspace, root: Path) -> None:
    for operate in (workspace.write, workspace.replace, workspace.append):
        with pytest.raises(WorkspaceError, match=r"'d/f' would hold half a surrogate pair.* at character 2"):
            operate("d/f", json.loads(r'"ab\ud83d"'))
    assert names(root) == []


def test_a_file_of_the_workspace_is_none_itself(workspace: Workspace) -> None:
    with pytest.raises(WorkspaceError, match="is the workspace itself"):
        workspace.read_bytes(".")
    with pytest.raises(WorkspaceError, match="is the workspace itself"):
        workspace.delete(".")


# -- reading


def test_an_open_file_reads_on_and_is_named(workspace: Workspace) -> None:
    workspace.write("a/f", b"0123456789")
    with workspace.open("a/f") as file:
        assert (file.read(3), file.read(), file.name) == (b"012", b"3456789", "a/f")


def test_what_is_not_there_is_not_found(workspace: Workspace) -> None:
    with pytest.raises(FileNotFoundError, match=r"'a/f'|'a'"):
        workspace.read_bytes("a/f")
    with pytest.raises(FileNotFoundError, match="'a'"):
        workspace.list("a")


def test_a_text_may_be_read_up_to_so_many_tokens(workspace: Workspace) -> None:
    workspace.write("f", "One line of words.\n" * 1000)
    with pytest.raises(UnsuitableFileError, match="'f' has more than 50 tokens"):
        workspace.read_text("f", max_tokens=50)
    cut = workspace.read_text("f", max_tokens=50, cut=True)
    assert cut.endswith(".\n")
    assert 5 <= cut.count("\n") <= 20


def test_errors_of_reading_name_the_path(workspace: Workspace) -> None:
    workspace.write("a/f", b"MZ\0\0")
    for operate in (workspace.read_text, workspace.content_block):
        with pytest.raises(UnsuitableFileError, match=r"^'a/f' "):
            operate("a/f")


def test_chunks_are_the_whole_text(workspace: Workspace) -> None:
    text = "".join(f"Line {number}.\n" for number in range(1000))
    workspace.write("f", text)
    chunks = list(workspace.chunks("f", tokens=100))
    assert "".join(chunk.text for chunk in chunks) == text
    assert len(chunks) > 10


def test_a_content_block_is_made_of_a_file(workspace: Workspace) -> None:
    workspace.write("f", "some text")
    block, tokens = workspace.content_block("f")
    assert block == {"type": "text", "text": "some text"}
    assert 1 <= tokens <= 4


@pytest.mark.anyio
async def test_a_workspace_is_used_from_an_event_loop_by_threads(workspace: Workspace) -> None:
    await asyncio.gather(*(asyncio.to_thread(workspace.append, "f", f"{n};") for n in range(20)))
    text = await asyncio.to_thread(workspace.read_text, "f")
    assert sorted(text.split(";")[:-1], key=int) == [str(number) for number in range(20)]


# -- listing


def test_a_listing_tells_kinds_and_sizes_by_path(workspace: Workspace, root: Path) -> None:
    workspace.write("b/c", "xyz")
    workspace.write("a", "")
    here = workspace.list()
    assert [(entry.path, entry.is_folder, entry.size) for entry in here] == [("a", False, 0), ("b", True, 0)]
    (entry,) = workspace.list("b")
    assert (entry.path, entry.size, entry.modified) == ("b/c", 3, (root / "b" / "c").stat().st_mtime)


@posix
def test_a_listing_leaves_out_what_cannot_be_given_back(workspace: Workspace, root: Path) -> None:
    workspace.write("d/f", "x")
    (root / "link").symlink_to("d")
    os.link(root / "d" / "f", root / "hard")
    os.mkfifo(root / "pipe")
    (root / "new\nline").write_text("x")
    (root / "nul").write_text("x")
    with suppress(OSError):  # macOS takes no such name
        Path(os.fsdecode(os.fsencode(root) + b"/\xff")).write_text("x")
    assert [entry.path for entry in workspace.list(recursive=True)] == ["d"]


def test_a_folder_that_may_not_be_listed_keeps_nothing_out_of_the_others(tmp_path: Path) -> None:
    def descend(folder: Folder, names: Sequence[str]) -> Folder:
        if "theirs" in names:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "theirs")
        return best_descent()(folder, names)

    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "f").touch()
    with Workspace(tmp_path, descend=descend) as workspace:
        workspace.write("mine/f", "x")
        assert [entry.path for entry in workspace.list(recursive=True)] == ["mine", "mine/f", "theirs"]
        with pytest.raises(PermissionError, match="'theirs'"):
            workspace.list("theirs")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="root acts as somebody else")
def test_a_folder_that_may_not_be_listed_is_named() -> None:
    # not in `tmp_path`, which nobody else may enter
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "a" / "b").mkdir(parents=True)
        for folder in (Path(name), Path(name) / "a"):
            folder.chmod(0o711)
        os.seteuid(65534)
        try:
            with Workspace(name) as workspace, pytest.raises(PermissionError, match="'a'"):
                workspace.list("a")
        finally:
            os.seteuid(0)


# -- deleting


def test_what_is_deleted_comes_back(workspace: Workspace) -> None:
    workspace.write("a/f", "x")
    workspace.write("a/g", "y")
    file = workspace.delete("a/f")
    folder = workspace.delete("a")
    assert workspace.list() == ()
    assert workspace.deleted() == (folder, file)
    workspace.restore(file)
    assert workspace.read_bytes("a/f") == b"x"
    with pytest.raises(FileExistsError, match="'a'"):
        workspace.restore(folder)
    workspace.delete("a")
    workspace.restore(folder)
    assert [entry.path for entry in workspace.list(recursive=True)] == ["a", "a/g"]


def test_the_trash_outlives_the_workspace(workspace: Workspace, root: Path) -> None:
    workspace.write("f", "x")
    workspace.delete("f")
    with Workspace(root) as other:
        (deleted,) = other.deleted()
        other.restore(deleted)
        assert other.read_bytes("f") == b"x"
        assert other.deleted() == ()
    assert names(root / ".seawall-trash") == []


def test_nothing_stays_in_the_trash_on_a_system_that_removes_no_folder_in_use(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[str] = []
    remove = os.rmdir

    def pin(path: str) -> int:
        held.append(os.fspath(path))
        return len(held) - 1

    def remove_unless_held(path: str, *, dir_fd: int | None = None) -> None:
        if path in held:
            raise PermissionError(errno.EACCES, "is used by another process", path)
        remove(path, dir_fd=dir_fd)

    monkeypatch.setattr("seawall_files.pins.pin", pin)
    for user in "pins", "descent":
        monkeypatch.setattr(f"seawall_files.{user}.unpin", lambda handle: held.__setitem__(handle, ""))
    monkeypatch.setattr(os, "rmdir", remove_unless_held)
    root.mkdir()
    with Workspace(root, descend=by_pinning) as workspace:
        workspace.write("f", "x")
        workspace.restore(workspace.delete("f"))
        with pytest.raises(FileNotFoundError):
            workspace.delete("g")
    assert names(root / ".seawall-trash") == []
    assert set(held) == {""}


def test_two_files_of_one_path_are_two_in_the_trash(workspace: Workspace) -> None:
    for text in ("one", "two"):
        workspace.write("f", text)
        workspace.delete("f")
    assert [deleted.path for deleted in workspace.deleted()] == ["f", "f"]


def test_what_is_not_in_the_trash_is_not_restored(workspace: Workspace) -> None:
    workspace.write("f", "x")
    deleted = workspace.delete("f")
    workspace.restore(deleted)
    for gone in (deleted, Deleted("g", "0" * 16), Deleted("g", "../.."), Deleted("g", "")):
        with pytest.raises(WorkspaceError, match="is not in the trash"):
            workspace.restore(gone)


def test_an_emptied_trash_holds_nothing(workspace: Workspace, root: Path) -> None:
    workspace.empty_trash()
    workspace.write("a/b/f", "x")
    deleted = workspace.delete("a")
    workspace.empty_trash()
    assert workspace.deleted() == ()
    assert names(root / ".seawall-trash") == []
    with pytest.raises(WorkspaceError, match="the trash emptied"):
        workspace.restore(deleted)


@posix
def test_an_emptied_trash_leaves_alone_what_its_links_point_to(
    workspace: Workspace, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "f").write_text("x")
    (root / "a").mkdir()
    (root / "a" / "link").symlink_to(tmp_path / "outside")
    workspace.delete("a")
    workspace.empty_trash()
    assert names(tmp_path / "outside") == ["f"]


@posix
@pytest.mark.parametrize("descend", HELD)
def test_folders_too_deep_for_a_path_are_not_listed_and_refuse_no_file_elsewhere(
    descend: Descent, root: Path
) -> None:
    root.mkdir()
    nest(root, 30, "b" * 200)
    with Workspace(root, descend=descend) as workspace:
        workspace.write("f", "x")
        # 20 with the separators between them are 4,019 bytes
        assert [len(entry.path) for entry in workspace.list(recursive=True)][-2:] == [4_019, 1]
        workspace.delete("b" * 200)
        workspace.empty_trash()


@posix
def test_a_trash_is_emptied_however_deep_its_folders_lie_in_one_another(
    workspace: Workspace, root: Path
) -> None:
    workspace.write("a/f", "x")
    # more than there are frames of Python's, descriptors of a process, or bytes of a path
    nest(root / "a", 3_000, "b")
    try:
        workspace.delete("a")
        workspace.empty_trash()
        assert names(root / ".seawall-trash") == []
    finally:
        # pytest of Python 3.11 and 3.12 could not
        subprocess.run(["/bin/rm", "-rf", root], check=True)


def test_what_cannot_be_removed_from_the_trash_is_told_when_all_else_is(
    workspace: Workspace, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("a/kept", "a/f", "b/f"):
        workspace.write(path, "x")
    workspace.delete("a")
    workspace.delete("b")
    remove = os.unlink

    def remove_unless_kept(path: str, *, dir_fd: int | None = None) -> None:
        if path.endswith("kept"):
            raise PermissionError(errno.EACCES, "is another user's", path)
        remove(path, dir_fd=dir_fd)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", remove_unless_kept)
        with pytest.raises(PermissionError, match=r"another user's: '\.seawall-trash/[0-9a-f]{16}/kept'"):
            workspace.empty_trash()
    assert [path.name for path in (root / ".seawall-trash").rglob("*") if path.is_file()] == ["kept"]
    workspace.empty_trash()
    assert names(root / ".seawall-trash") == []


def test_a_trash_is_emptied_on_a_system_that_removes_no_file_marked_as_read_only(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = os.unlink

    def remove_if_writable(path: str, *, dir_fd: int | None = None) -> None:
        if not os.stat(path, dir_fd=dir_fd).st_mode & stat.S_IWUSR:
            raise PermissionError(errno.EACCES, "is marked as read-only", path)
        remove(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", remove_if_writable)
    root.mkdir()
    with Workspace(root, descend=by_pinning) as workspace:
        workspace.write("a/f", "x")
        (root / "a" / "f").chmod(0o400)
        workspace.delete("a")
        workspace.empty_trash()
    assert names(root / ".seawall-trash") == []


@posix
def test_a_trash_that_is_a_link_is_not_used(workspace: Workspace, root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (root / ".seawall-trash").symlink_to(tmp_path / "outside")
    workspace.write("f", "x")
    for operate in (lambda: workspace.delete("f"), workspace.deleted, workspace.empty_trash):
        with pytest.raises(WorkspaceError, match="is a symbolic link"):
            operate()
    assert (names(tmp_path / "outside"), workspace.read_bytes("f")) == ([], b"x")


def test_deleting_what_is_not_there_leaves_nothing_in_the_trash(workspace: Workspace) -> None:
    with pytest.raises(FileNotFoundError, match="'f'"):
        workspace.delete("f")
    assert workspace.deleted() == ()
