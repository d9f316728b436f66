"""Importing `seawall` is cheap; its names come when they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import seawall


def modules_after(statement: str) -> set[str]:
    """The top-level packages a fresh interpreter has loaded after `statement`."""
    script = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.split())


HEAVY = {"anthropic", "pydantic", "pydantic_settings", "httpx2", "click", "anyio"}


def test_importing_the_package_loads_neither_the_sdk_nor_pydantic_nor_a_plugin() -> None:
    loaded = modules_after("import seawall; dir(seawall)")
    assert "seawall" in loaded
    assert not loaded & HEAVY
    assert not {name for name in loaded if name.startswith("seawall_") or name == "pluggy"}


def test_a_name_loads_no_more_than_it_needs() -> None:
    assert not modules_after("from seawall import hookimpl, Retry, ConfigError") & HEAVY


def test_every_public_name_resolves_to_what_bears_it() -> None:
    for name in seawall.__all__:
        value = getattr(seawall, name)
        assert getattr(value, "__name__", name) == name


def test_public_names_are_sorted_and_unique() -> None:
    assert list(seawall.__all__) == sorted(set(seawall.__all__))


def test_dir_shows_every_public_name_before_it_is_used() -> None:
    script = "import seawall; assert set(seawall.__all__) <= set(dir(seawall))"
    subprocess.run([sys.executable, "-c", script], timeout=60, check=True)


def test_a_star_import_gives_the_public_names() -> None:
    namespace: dict[str, object] = {}
    exec("from seawall import *", namespace)
    assert set(seawall.__all__) <= set(namespace)


def test_a_name_is_resolved_once() -> None:
    assert seawall.Retry is vars(seawall)["Retry"]


def test_an_unknown_attribute_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="seawall attribute protekt"):
        seawall.protekt  # noqa: B018


def test_an_unknown_name_cannot_be_imported() -> None:
    with pytest.raises(ImportError, match="cannot import name 'protekt' from 'seawall'"):
        from seawall import protekt  # noqa: F401, PLC0415
