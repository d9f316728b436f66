"""No path leads out of a workspace: each of a corpus, with each operation, however folders are opened."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from files.traps import CORPUS, DESCENTS, LINKS, OPERATIONS, REFUSED, SECRET, Trap, names_of
from seawall_files import Workspace, WorkspaceError

if TYPE_CHECKING:
    from pathlib import Path

    from seawall_files.descent import Descent


def test_the_corpus_has_more_than_150_paths() -> None:
    assert len(set(CORPUS)) == len(CORPUS) > 150


@pytest.mark.parametrize("descend", DESCENTS)
@pytest.mark.parametrize("path", CORPUS, ids=names_of(CORPUS))
def test_no_path_of_the_corpus_leads_out(path: str, descend: Descent, tmp_path: Path) -> None:
    trap = Trap.set_in(tmp_path)
    before = trap.seen()
    with Workspace(trap.root, descend=descend) as workspace:
        for operate in OPERATIONS.values():
            with suppress(WorkspaceError, OSError, ValueError):
                assert SECRET not in repr(operate(workspace, path))
    assert trap.seen() == before
    assert sorted(os.listdir(tmp_path)) == ["outside", "workspace"]  # noqa: PTH208 - names


@pytest.mark.parametrize("path", REFUSED, ids=names_of(REFUSED))
def test_what_means_something_else_on_some_system_is_refused_on_all(path: str, tmp_path: Path) -> None:
    trap = Trap.set_in(tmp_path)
    before = sorted(map(str, trap.root.rglob("*")))
    with Workspace(trap.root) as workspace:
        for name, operate in OPERATIONS.items():
            if name.startswith("restore"):
                continue
            with pytest.raises(WorkspaceError):
                operate(workspace, path)
    assert sorted(map(str, trap.root.rglob("*"))) == before


@pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")
@pytest.mark.parametrize("descend", DESCENTS)
@pytest.mark.parametrize("path", [path for path in LINKS if "/" not in path.rstrip("/")])
def test_what_is_a_link_or_no_file_is_refused_and_named(path: str, descend: Descent, tmp_path: Path) -> None:
    trap = Trap.set_in(tmp_path)
    if not os.path.lexists(trap.root / path.rstrip("/")):
        pytest.skip("only root may make a device")
    said = (
        "is a symbolic link"
        if path.startswith("to-")
        else "has 3 names"
        if path == "hard"
        else f"is a {path}"
    )
    with Workspace(trap.root, descend=descend) as workspace:
        for name in ("read_bytes", "append", "replace", "delete"):
            with pytest.raises(WorkspaceError, match=said):
                OPERATIONS[name](workspace, path)


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
@pytest.mark.parametrize("descend", DESCENTS)
def test_a_link_on_the_way_is_refused_and_named(descend: Descent, tmp_path: Path) -> None:
    trap = Trap.set_in(tmp_path)
    with Workspace(trap.root, descend=descend) as workspace:
        for path in ("inside/to-up/secret", "inside/to-up/new/deep"):
            with pytest.raises(WorkspaceError, match="leads over 'inside/to-up', which is a symbolic link"):
                workspace.read_bytes(path)
            with pytest.raises(WorkspaceError, match="leads over 'inside/to-up', which is a symbolic link"):
                workspace.write(path, "x")
        with pytest.raises(WorkspaceError, match="leads over 'inside/file', which is no folder"):
            workspace.read_bytes("inside/file/x/y")
