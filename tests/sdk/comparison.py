"""What a protected run of the SDK's tests lost against an unprotected one."""

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

Outcome = Literal["passed", "skipped", "failure", "error", "missing"]


@dataclass(frozen=True, slots=True)
class Result:
    """How one test ended."""

    outcome: Outcome
    message: str = ""
    """The first line of what the failure says."""

    @property
    def is_bad(self) -> bool:
        """Whether the test did not run to a good end."""
        return self.outcome not in {"passed", "skipped"}


PASSED = Result("passed")
MISSING = Result("missing", "did not run")


@dataclass(frozen=True, slots=True)
class Comparison:
    """The tests that only the protected run fails, by test id."""

    new: Mapping[str, Result]
    expected: Mapping[str, str]
    """Failures that are listed, with the reason."""
    stale: Mapping[str, str]
    """Listed tests that do not fail, with what they did instead."""

    @property
    def is_good(self) -> bool:
        """Whether every failure is listed and every listed test fails."""
        return not self.new and not self.stale


def read_report(report: Path, tree: Path) -> dict[str, Result]:
    """Answer the results in a JUnit file by test id, as pytest accepts it in the folder `tree`.

    A test with several results, such as a pass and an error of its teardown, counts with the first bad one.
    """
    results: dict[str, Result] = {}
    for case in ET.parse(report).iter("testcase"):
        test = _test_id(case.get("classname", ""), case.get("name", ""), tree)
        result = _result(case)
        if test not in results or not results[test].is_bad:
            results[test] = result
    return results


def _test_id(classname: str, name: str, tree: Path) -> str:
    modules = (classname or name).split(".")  # a file that cannot be imported has no class name
    for end in range(len(modules), 0, -1):
        file = "/".join(modules[:end]) + ".py"
        if (tree / file).is_file():
            return "::".join([file, *modules[end:], *([name] if classname else [])])
    return f"{classname}::{name}"


def _result(case: ET.Element) -> Result:
    outcomes: tuple[Outcome, ...] = ("error", "failure", "skipped")
    for outcome in outcomes:
        if (found := case.find(outcome)) is not None:
            lines = found.get("message", "").strip().splitlines()
            return Result(outcome, lines[0] if lines else "")
    return PASSED


def read_expected(path: Path, middleware: str) -> dict[str, str]:
    """Answer the tests that may fail with `middleware`, with the reason.

    Raises:
        ValueError: an entry has no reason, or two entries name the same test.

    """
    expected: dict[str, str] = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("expected", []):
        reason = entry.get("reason", "").strip()
        if not reason:
            msg = f"{path}: the entry {entry!r} has no reason"
            raise ValueError(msg)
        if middleware not in entry.get("middleware", [middleware]):
            continue
        for test in entry["tests"]:
            if test in expected:
                msg = f"{path}: {test!r} is listed twice"
                raise ValueError(msg)
            expected[test] = reason
    return expected


def compare(
    unprotected: Mapping[str, Result],
    protected: Mapping[str, Result],
    expected: Mapping[str, str],
    *,
    is_whole: bool,
) -> Comparison:
    """Sort the failures of the protected run into new and expected.

    Unless the run `is_whole`, a listed test that it did not contain is not stale.
    """
    results = {**dict.fromkeys(unprotected, MISSING), **protected}
    failures = {
        test: result
        for test, result in results.items()
        if result.is_bad and not unprotected.get(test, PASSED).is_bad
    }
    stale = {test: results[test].outcome for test in expected if test in results and not results[test].is_bad}
    unknown = {test: "no such test" for test in expected if test not in results and is_whole}
    return Comparison(
        new={test: result for test, result in failures.items() if test not in expected},
        expected={test: reason for test, reason in expected.items() if test in failures},
        stale=stale | unknown,
    )


def counts(results: Mapping[str, Result]) -> str:
    """Answer how often each outcome occurs, as `1694 passed, 3 failure`."""
    outcomes = Counter(result.outcome for result in results.values())
    return ", ".join(f"{number} {outcome}" for outcome, number in outcomes.most_common())
