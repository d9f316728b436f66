"""Which paths a workspace takes; those it refuses are in the corpus of `traps`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest

from seawall_files import WorkspaceError
from seawall_files.names import is_fit, names_of


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("a", ("a",)),
        ("a/b.md", ("a", "b.md")),
        ("./a//b/.", ("a", "b")),
        ("a/b/", ("a", "b")),
        (".", ()),
        (".hidden", (".hidden",)),
        ("a b", ("a b",)),
        (" a", (" a",)),
        ("name: no".replace(":", ""), ("name no",)),
        ("Bericht für Ä.md", ("Bericht für Ä.md",)),
        ("标题：副标题？.md", ("标题：副标题？.md",)),  # noqa: RUF001 - as Chinese titles are written
        ("…", ("…",)),
        ("½", ("½",)),
        ("console", ("console",)),
        ("com10", ("com10",)),
        ("seawall~1", ("seawall~1",)),
        ("sea~1", ("sea~1",)),
        ("x" * 255, ("x" * 255,)),
        ("é" * 127, ("é" * 127,)),
        (Path("a", "b"), ("a", "b")),
        (PurePosixPath("a/b"), ("a", "b")),
        (PureWindowsPath("a\\b"), ("a", "b")),
    ],
)
def test_a_path_is_taken_as_the_names_it_consists_of(path: Any, names: tuple[str, ...]) -> None:
    assert names_of(path) == names


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("", "'' is empty; the workspace itself is '.'"),
        ("/etc/passwd", "'/etc/passwd' is absolute; give it relative to the workspace"),
        ("a/../b", "'a/../b' has a name '..' that leads out of its folder"),
        ("..", "'..' leads out of its folder; '..' is not taken, wherever it leads"),
        ("a\\b", r"'a\\\\b' holds '\\\\'; folders are separated by '/'"),
        ("a:b", "'a:b' holds ':'"),
        ("x/nul.txt", "has a name 'nul.txt' that is that of a device on Windows"),
        ("a.", "'a.' ends in '.', which Windows leaves out"),
        ("a\0", "holds a character that nobody sees"),
        ("x" * 256, "is longer than 255 bytes"),
        ("x/" * 3000, "is longer than 4,095 bytes"),
        (".seawall-trash/x", "that is that of the workspace's trash"),
        ("SEAWAL~1/x", "has a name 'SEAWAL~1' that is a short one of the workspace's trash on Windows"),
    ],
)
def test_a_refusal_says_what_to_what_and_why(path: str, said: str) -> None:
    with pytest.raises(WorkspaceError) as caught:
        names_of(path)
    assert said.replace("\\\\\\\\", "\\\\") in str(caught.value)
    assert caught.value.path == path
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("path", [b"a", 3, None])
def test_what_is_no_path_is_a_type_error(path: Any) -> None:
    with pytest.raises(TypeError):
        names_of(path)


def test_an_error_survives_pickling() -> None:
    import pickle  # noqa: PLC0415 - of this test only

    error = pickle.loads(pickle.dumps(WorkspaceError("a", "is bad")))
    assert (str(error), error.path, error.reason) == ("'a' is bad", "a", "is bad")


@pytest.mark.parametrize("name", ["..", "nul", "a\n", ".seawall-trash", "x" * 300])
def test_a_name_that_no_path_may_have_is_unfit(name: str) -> None:
    assert not is_fit(name)
    assert is_fit("a" + name.strip("\n.")[:10])
