"""Numbered names beside a file, as GNU programs give them to backups: `report.md.~1~`, `report.md.~2~`."""

import re

from seawall_files.folder import Folder


def numbered(name: str, number: int) -> str:
    """Return the numbered name of the file `name`."""
    return f"{name}.~{number}~"


def numbers(folder: Folder, name: str) -> list[int]:
    """Return the numbers that are taken for the file `name` in an open folder, lowest first."""
    pattern = re.compile(re.escape(name) + r"\.~([1-9][0-9]{0,17})~")
    found = (pattern.fullmatch(other) for other, _ in folder.entries())
    return sorted(int(match[1]) for match in found if match)


def free_number(folder: Folder, name: str) -> int:
    """Return a number above all that are taken."""
    return max(numbers(folder, name), default=0) + 1
