"""A new plugin: a folder that passes its own tests."""

from __future__ import annotations

import builtins
import keyword
import re
import sys
from importlib.metadata import distributions
from importlib.resources import files
from importlib.util import find_spec
from string import Template
from typing import TYPE_CHECKING, Final

import seawall

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_VERSIONS: Final = ">=0.1.0,<0.2"
"""Of the core and the testkit, that a new plugin works with."""


def complaint(name: str, taken: Collection[str]) -> str | None:
    """Return why a plugin cannot have this name."""
    if not _NAME.fullmatch(name):
        return f"{name!r}: lower-case words of letters and digits, joined by _, are expected: my_guard"
    if keyword.iskeyword(name) or name in sys.stdlib_module_names or name == "seawall":
        whose = "a package of its own" if name == "seawall" else "a word or a module of Python"
        return f"{name!r} is {whose}: take another name, such as my_{name}"
    if name in taken:
        return f"{name!r} is taken; see `seawall plugins`"
    module = f"seawall_{name}"
    if find_spec(module) is not None or module.replace("_", "-") in _installed():
        return f"{name!r} is taken: a package named {module} is installed"
    return None


def _installed() -> set[str]:
    return {re.sub(r"[-_.]+", "-", found.name.lower()) for found in distributions() if found.name}


def scaffold(name: str, parent: Path) -> list[Path]:
    """Make the folder of a new plugin in `parent`, named like it; return its files.

    Raises:
        FileExistsError: There is something of that name; nothing was written.
        OSError: It cannot be written.
    """
    module = f"seawall_{name}"
    folder = parent / name
    folder.mkdir()
    texts = {
        place: (files("seawall_testkit") / "template" / f"{template}.txt").read_text(encoding="utf-8")
        for template, place in {
            "pyproject.toml": folder / "pyproject.toml",
            "README.md": folder / "README.md",
            "plugin.py": folder / module / "__init__.py",
            "test_plugin.py": folder / "tests" / f"test_{name}.py",
        }.items()
    }
    values = {
        "name": name,
        "module": module,
        "distribution": module.replace("_", "-"),
        "class_name": _class_name(name, texts.values()),
        "api": str(seawall.API_VERSION),
        "versions": _VERSIONS,
    }
    for place, text in texts.items():
        place.parent.mkdir(exist_ok=True)
        place.write_text(Template(text).substitute(values), encoding="utf-8")
    typed = folder / module / "py.typed"
    typed.touch()
    return [*texts, typed]


def _class_name(name: str, texts: Iterable[str]) -> str:
    """Return the class of a plugin: no name of Python, or that is in the texts already, such as `Path`."""
    class_name = "".join(word.capitalize() for word in name.split("_"))
    is_taken = hasattr(builtins, class_name) or any(re.search(rf"\b{class_name}\b", text) for text in texts)
    return f"{class_name}Plugin" if is_taken else class_name
