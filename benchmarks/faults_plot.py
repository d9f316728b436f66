"""Draws what `faults.py` observed: for each contender and family, how the calls ended."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "seawall"  # the same figures give the same file

from matplotlib import pyplot as plt  # noqa: E402 - after the choice of the backend

_ENDS = {
    "whole": "#2a7f62",
    "whole, but shown with repetitions": "#e0b040",
    "error": "#9aa0a6",
    "silently short or wrong": "#b3261e",
}


def draw(observed: Sequence[Mapping[str, Any]], contenders: Sequence[str], file: Path) -> None:
    """Write one panel for each contender, a bar for each family, divided by how its calls ended."""
    families = list(dict.fromkeys(one["family"] for one in observed))[::-1]
    figure, panels = plt.subplots(1, len(contenders), figsize=(14, 4), sharey=True, squeeze=False)
    for panel, contender in zip(panels[0], contenders, strict=True):
        ends = {family: Counter[str]() for family in families}
        for one in observed:
            if one["contender"] == contender:
                ends[one["family"]][_end(one)] += 1
        left = [0.0] * len(families)
        for end, colour in _ENDS.items():
            shares = [100 * ends[family][end] / ends[family].total() for family in families]
            panel.barh(families, shares, left=left, color=colour, label=end)
            left = [start + share for start, share in zip(left, shares, strict=True)]
        panel.set_title(contender)
        panel.set_xlabel("% of calls")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="lower center", ncols=4, frameon=False)
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    figure.savefig(file, format="svg", metadata={"Date": None})


def _end(one: Mapping[str, Any]) -> str:
    if one["is_whole"]:
        return "whole, but shown with repetitions" if one["is_repeated"] else "whole"
    return "silently short or wrong" if one["is_silent"] else "error"
