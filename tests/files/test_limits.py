"""How large, how many and which files a workspace takes."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from seawall_files import Workspace, WorkspaceError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_may_have_max_bytes_and_no_more(tmp_path: Path) -> None:
    with Workspace(tmp_path, max_bytes=10) as workspace:
        workspace.write("f", "x" * 10)
        assert workspace.read_bytes("f") == b"x" * 10
        for operate in (workspace.write, workspace.replace, workspace.append):
            with pytest.raises(WorkspaceError, match="'g' would hold 11 bytes; max_bytes is 10"):
                operate("g", "x" * 11)
        with pytest.raises(WorkspaceError, match="'f' would hold 11 bytes; max_bytes is 10"):
            workspace.append("f", "x")
        assert workspace.read_bytes("f") == b"x" * 10
        assert [entry.path for entry in workspace.list()] == ["f"]


def test_a_larger_file_is_read_in_chunks_and_not_whole(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("word " * 3000)
    with Workspace(tmp_path, max_bytes=10) as workspace:
        for operate in (workspace.read_bytes, workspace.read_text):
            with pytest.raises(WorkspaceError, match="'f' holds 15,000 bytes; max_bytes is 10"):
                operate("f")
        assert sum(len(chunk.text) for chunk in workspace.chunks("f", tokens=100)) == 15_000
        assert workspace.read_text("f", max_tokens=10_000) == "word " * 3000


def test_there_may_be_max_files_and_no_more(tmp_path: Path) -> None:
    with Workspace(tmp_path, max_files=20) as workspace:
        for number in range(18):
            workspace.write(f"f{number}", "x")
        workspace.write("a/b", "x")
        for operate in (workspace.write, workspace.replace, workspace.append):
            with pytest.raises(WorkspaceError, match="'g' would be one more than max_files = 20"):
                operate("g", "x")
        workspace.replace("f1", "y")
        workspace.append("f1", "z")
        assert len(workspace.list(recursive=True)) == 20
        deleted = workspace.delete("f1")
        workspace.write("g", "x")
        with pytest.raises(WorkspaceError, match="max_files = 20"):
            workspace.restore(deleted)


def test_files_of_others_are_counted_when_there_are_few_left(tmp_path: Path) -> None:
    with Workspace(tmp_path, max_files=20) as workspace:
        workspace.write("f", "x")
        for number in range(19):
            (tmp_path / f"other{number}").touch()
        made = 0
        with suppress(WorkspaceError):
            for made in range(20):
                workspace.write(f"f{made}", "x")
        assert made < 12


def test_a_folder_of_too_many_files_is_not_listed(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / str(number)).touch()
    said = r"'.' holds more than max_files = 3 files"
    with Workspace(tmp_path, max_files=3) as workspace, pytest.raises(WorkspaceError, match=said):
        workspace.list()


@pytest.mark.parametrize("path", ["a.md", "a.MD", "b/c.txt", "x.tar.gz", ".md"])
def test_a_suffix_of_the_set_is_taken_in_either_case(path: str, tmp_path: Path) -> None:
    with Workspace(tmp_path, suffixes={".md", ".TXT", ".tar.gz"}) as workspace:
        workspace.write(path, "x")
        assert workspace.read_bytes(path) == b"x"


@pytest.mark.parametrize("path", ["a", "a.exe", "a.md.exe", "md", "a.gz", "a.mdx", "a.md\u200b"])
def test_another_suffix_is_refused_and_left_out(path: str, tmp_path: Path) -> None:
    (tmp_path / path).write_text("x")
    with Workspace(tmp_path, suffixes={".md", ".tar.gz"}) as workspace:
        for operate in (workspace.read_bytes, workspace.delete, lambda path: workspace.write(path, "x")):
            with pytest.raises(WorkspaceError, match=r"does not end in|holds a character"):
                operate(path)
        assert workspace.list() == ()


def test_one_suffix_that_is_no_set_is_a_type_error(tmp_path: Path) -> None:
    suffixes: Any = ".md"
    with pytest.raises(TypeError, match="a set of them is expected"):
        Workspace(tmp_path, suffixes=suffixes)
