"""Runs the SDK's own tests with every client protected: `python tests/sdk/run.py [options] [pytest options]`.

The tests come out of the SDK's sdist and run twice, unprotected and protected. The exit code is 0 when the
protected run fails only tests that fail unprotected too or that `expected.toml` lists, and all of the latter.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from comparison import Comparison, Result, compare, counts, read_expected, read_report

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
SDK: Final = "anthropic==2.12.0"

UNPACKED: Final = ["tests", "examples", "bin", "*.md", "*.toml", "*.lock"]
"""Not `src`: the installed SDK is tested."""

SUBSET: Final = [
    "tests/test_middleware.py",
    "tests/test_streaming.py",
    "tests/test_response.py",
    "tests/test_exceptions.py",
    "tests/test_prepare.py",
    "tests/test_tracing.py",
    "tests/lib/streaming",
    "tests/lib/_parse",
    "tests/lib/test_refusal_fallback.py",
    "tests/lib/test_refusal_fallback_streaming.py",
    "tests/lib/test_bedrock.py",
    "tests/lib/test_vertex.py",
    "tests/lib/test_azure.py",
    "tests/lib/test_bedrock_mantle.py",
    "tests/lib/tools/test_runners.py",
    "tests/lib/test_client_copy.py",
]
"""The tests of requests and answers that need no mock server."""

OPTIONS: Final = ["-n2", "-q", "-pno:cacheprovider", "-Wdefault", "--timeout=60", "--tb=line"]
"""`-W`: the SDK's configuration makes each warning an error, also one of a newer dependency."""


def main() -> int:
    """Run the tests twice, print the difference and answer the exit code."""
    options, pytest_options = _options()
    work: Path = options.workdir.resolve()
    work.mkdir(parents=True, exist_ok=True)
    python = _environment(work, with_seawall=options.middleware in {"seawall", "limit-zero"})
    tree = _sources(work, python)
    chosen = any((tree / option.partition("::")[0]).exists() for option in pytest_options)
    arguments = [*([] if chosen else SUBSET), *pytest_options]
    expected = read_expected(HERE / "expected.toml", options.middleware)
    unprotected = _results("unprotected", python, tree, arguments)
    protected = _results("protected", python, tree, arguments, middleware=options.middleware)
    comparison = compare(unprotected, protected, expected, is_whole=not pytest_options)
    _say(_summary(options.middleware, unprotected, protected, comparison))
    return 0 if comparison.is_good else 1


def _options() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        description="Runs the SDK's own tests with every client protected.",
        epilog="All other arguments go to pytest; files of the SDK's tests among them replace the subset.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--workdir",
        type=Path,
        default=ROOT / ".cache" / "sdk-tests",
        help="where the environment, the SDK's sources and the reports are kept (default: %(default)s)",
    )
    parser.add_argument(
        "--middleware",
        choices=["seawall", "limit-zero", "noop", "repair"],
        default="seawall",
        help="what stands before each client, see protect_plugin.py; noop and repair need no Seawall",
    )
    parser.add_argument(
        "--limit-zero",
        action="store_const",
        dest="middleware",
        const="limit-zero",
        help="stream every call on the wire, however small",
    )
    return parser.parse_known_args()


def _environment(work: Path, *, with_seawall: bool) -> Path:
    """Answer the Python of an environment with the SDK and what its tests need, made once."""
    requirements = HERE / "requirements.txt"
    venv = work / "venv"
    python = venv / "bin" / "python"
    installed = venv / "requirements.txt"
    if not installed.is_file() or installed.read_bytes() != requirements.read_bytes():
        _say("installing the SDK and what its tests need")
        shutil.rmtree(venv, ignore_errors=True)
        if shutil.which("uv"):
            _run("uv", "venv", "--quiet", "--python", sys.executable, str(venv))
        else:
            _run(sys.executable, "-m", "venv", str(venv))
        _install(python, "--requirement", str(requirements))
        shutil.copy(requirements, installed)
    if with_seawall:
        folders = [ROOT / "core", *sorted(file.parent for file in ROOT.glob("plugins/*/pyproject.toml"))]
        editable = [argument for folder in folders for argument in ("--editable", str(folder))]
        _install(python, *editable, SDK)
    return python


def _install(python: Path, *arguments: str) -> None:
    if shutil.which("uv"):
        _run("uv", "pip", "install", "--quiet", "--python", str(python), *arguments)
    else:
        _run(str(python), "-m", "pip", "install", "--quiet", *arguments)


def _sources(work: Path, python: Path) -> Path:
    """Answer the folder with the SDK's sources without the package, unpacked once."""
    tree = work / SDK.replace("==", "-")
    if tree.is_dir():
        return tree
    _say("unpacking the SDK's sdist")
    pip = [str(python), "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation"]
    _run(*pip, "--no-binary", "anthropic", "--dest", str(work), SDK)
    unpacked = work / "unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    with tarfile.open(work / f"{tree.name}.tar.gz") as sdist:
        # as an argument only since Python 3.11.4, which Debian 12 does not have
        sdist.extraction_filter = getattr(tarfile, "data_filter", None)
        sdist.extractall(unpacked, [member for member in sdist if _is_wanted(member.name)])
    (unpacked / tree.name).rename(tree)  # last, so that a run that was cut is not taken for a whole one
    return tree


def _is_wanted(member: str) -> bool:
    return any(fnmatch(member.split("/")[1], pattern) for pattern in UNPACKED)


def _results(
    name: str, python: Path, tree: Path, arguments: Sequence[str], *, middleware: str | None = None
) -> dict[str, Result]:
    """Run pytest and answer its results by test id; without `middleware`, unprotected."""
    report, log = tree.with_name(f"{name}.xml"), tree.with_name(f"{name}.log")
    report.unlink(missing_ok=True)
    # Settings of this machine must not reach the middleware.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SEAWALL_")}
    plugin = []
    if middleware:
        environment |= {"PYTHONPATH": str(HERE), "SEAWALL_SDK_TESTS_MIDDLEWARE": middleware}
        plugin = ["-p", "protect_plugin"]
    command = [str(python), "-m", "pytest", *OPTIONS, *plugin, f"--junitxml={report}", *arguments]
    start = time.perf_counter()
    with log.open("w") as output:
        code = subprocess.run(
            command, cwd=tree, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False
        ).returncode
    if code not in {0, 1} or not report.is_file():
        sys.exit(f"{log.read_text()[-4000:]}\nthe {name} run ended with code {code}, see {log}")
    results = read_report(report, tree)
    _say(f"{name}: {counts(results)} in {time.perf_counter() - start:.0f} s, see {log}")
    return results


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _summary(
    middleware: str, unprotected: Mapping[str, Result], protected: Mapping[str, Result], found: Comparison
) -> str:
    already = [f"  {test}: {result.message}" for test, result in unprotected.items() if result.is_bad]
    expected = []
    for reason in dict.fromkeys(found.expected.values()):
        expected.append(f"  {reason}:")
        expected += [f"    {test}" for test, why in found.expected.items() if why == reason]
    return "\n".join(
        [
            "",
            f"unprotected: {counts(unprotected)}",
            f"{middleware}: {counts(protected)}",
            f"{len(already)} fail unprotected",
            *already,
            f"{len(found.expected)} fail as expected",
            *expected,
            f"{len(found.stale)} in expected.toml are stale",
            *(f"  {test}: {outcome}" for test, outcome in found.stale.items()),
            f"{len(found.new)} new failures",
            *(f"  {test}: {result.message}" for test, result in found.new.items()),
        ]
    )


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command talks


if __name__ == "__main__":
    sys.exit(main())
