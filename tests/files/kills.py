"""Kills `seawall run` at random moments, until its answer is there after all.

Each case is a prompt of its own, answered by a process that is killed some times and then runs to its end,
in a folder where an old answer is. The moments spread over starting, connecting, streaming, syncing and
finishing, and are drawn by a seed: when they come true depends on the machine, what must hold does not.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count, islice
from typing import TYPE_CHECKING, Literal

from files.processes import started
from seawall_files.errors import JournalError
from seawall_files.journal import recover
from seawall_files.places import journal_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from files.processes import Running, Starter
    from seawall_testkit import Received, Simulator

OLD = "the old answer\n"
SYNC_INTERVAL = 0.02
"""Seconds: an answer that is written a hundred times faster than by a model is lost as much faster."""
_LOOK = 0.02
"""Seconds between two looks at what the simulator does not tell of."""
_PATIENCE = 120.0
"""Seconds after which a process that neither comes to its moment nor ends has failed."""

Kind = Literal["started", "asked", "sent", "journalled", "answered", "at a time"]
_WEIGHTS: dict[Kind, int] = {
    "started": 1,
    "asked": 1,
    "sent": 2,
    "journalled": 2,
    "at a time": 2,
    "answered": 2,
}
"""What a moment goes by, and how often."""
_FINISHING = 0.1
"""Seconds that it takes from the answer to its end, about."""
_BYTES = 20
"""Of frames for one token, about."""


@dataclass(frozen=True)
class Moment:
    """When a process is killed."""

    kind: Kind
    share: float
    """From 0 to 1: of the seconds, tokens or bytes that it is drawn from."""


@dataclass
class Case:
    """One answer, and what its kills did."""

    folder: Path
    prompt: str
    moments: list[Moment]
    found: list[str] = field(default_factory=list)
    """Where each kill struck."""
    wrong: list[str] = field(default_factory=list)
    """What must not be."""
    billed: int = 0
    """Output tokens, in all processes."""
    tokens: int = 0
    """Output tokens of the answer."""

    @property
    def target(self) -> Path:
        return self.folder / "answer.md"

    @property
    def ratio(self) -> float:
        """Tokens billed, as a multiple of those of the answer."""
        return self.billed / self.tokens

    @property
    def errors(self) -> Path:
        """What the last process said."""
        return self.folder.with_suffix(".stderr")

    def content(self) -> str:
        return self.target.read_text(encoding="utf-8")

    def said(self) -> str:
        return self.errors.read_text(encoding="utf-8", errors="replace")


def cases_of(seed: int, each: int, root: Path) -> Iterator[Case]:
    """Draw answers, without end, whose processes are killed `each` times at most."""
    rng = random.Random(seed)
    for number in count():
        folder = root / f"{seed}-{number}"
        folder.mkdir()
        moments = [
            Moment(rng.choices([*_WEIGHTS], [*_WEIGHTS.values()])[0], rng.random()) for _ in range(each)
        ]
        yield Case(folder, f"Report {number} of {seed}.\n", moments)


def run_until(kills: int, killer: Killer, cases: Iterator[Case], *, at_once: int) -> Iterator[Case]:
    """Run cases until there were so many kills, or a few more."""
    seen = 0
    with ThreadPoolExecutor(at_once) as threads:
        while seen < kills:
            for case in threads.map(killer.run, islice(cases, at_once)):
                seen += len(case.found)
                yield case


class Killer:
    """Runs cases against a simulator, which may serve several at once.

    Args:
        simulator: Started; it writes at a pace, so that there are moments.
        tokens_per_second: That pace.
        start: Starts `seawall`.
        starting: Seconds that it takes then until it asks, about.
    """

    def __init__(
        self,
        simulator: Simulator,
        tokens_per_second: float,
        *,
        start: Starter = started,
        starting: float = 1.0,
    ) -> None:
        self._simulator = simulator
        self._pace = tokens_per_second
        self._starter = start
        self._starting = starting

    def run(self, case: Case) -> Case:
        """Kill at each of the moments, then let the command end; tells in the case what came of it.

        A process that is killed when its file is whole and its journal gone has nothing left to do: whoever
        gives the command once more asks for another answer.
        """
        (case.folder / "prompt.md").write_bytes(case.prompt.encode())
        case.target.write_text(OLD, encoding="utf-8")
        messages = [{"role": "user", "content": case.prompt}]
        answer = self._simulator.answer_for(messages, max_tokens=64_000)
        case.tokens = answer.output_tokens
        for moment in case.moments:
            process = self._start(case)
            self._await(case, process, moment)
            if process.poll() is None:
                case.found.append(self._where(case))
                process.kill()
            self._end(case, process)
            self._check(case, answer.text)
            if case.content() != OLD and not journal_path(case.target).exists():
                break
        else:
            code = self._start(case).wait(_PATIENCE)
            if code != 0:
                case.wrong.append(f"the last run ended with {code}: {case.said()}")
            left = sorted(path.name for path in case.folder.iterdir())
            if left != ["answer.md", "prompt.md"]:
                case.wrong.append(f"there is more than the answer: {left}")
        if case.content() != answer.text:
            case.wrong.append("the answer is not the undisturbed one")
        self._simulator.wait_until(lambda: all(one.ended for one in self._requests(case)), _PATIENCE)
        case.billed = sum(one.output_tokens for one in self._requests(case))
        return case

    def _start(self, case: Case) -> Running:
        mine = {
            name: text for name, text in os.environ.items() if not name.startswith(("ANTHROPIC_", "SEAWALL_"))
        }
        settings = {
            "ANTHROPIC_API_KEY": "test",
            "ANTHROPIC_BASE_URL": self._simulator.base_url,
            "SEAWALL_FILES__SYNC_INTERVAL": str(SYNC_INTERVAL),
            "SEAWALL_STATE_DIR": str(case.folder.parent / "state"),
            "PYTHONUTF8": "1",
        }
        arguments = ["run", "prompt.md", "-o", case.target.name]
        return self._starter(arguments, case.folder, {**mine, **settings}, case.errors)

    def _await(  # noqa: C901 - one branch for each kind
        self, case: Case, process: Running, moment: Moment
    ) -> None:
        """Wait for a moment, or the end of the process."""
        before = len(self._requests(case))
        left = max(0, case.tokens - sum(one.tokens_sent for one in self._requests(case)))
        written = self._written(case)

        def asked() -> Received | None:
            return next(iter(self._requests(case)[before:]), None)

        def sent() -> bool:
            return (one := asked()) is not None and one.tokens_sent >= moment.share * left

        def journalled() -> bool:
            return self._written(case) - written >= moment.share * left * _BYTES

        def is_answered() -> bool:
            return (one := asked()) is not None and one.ended == "complete"

        match moment.kind:
            case "started":
                self._within(moment.share * self._starting, process, lambda: False)
            case "asked":
                self._within(_PATIENCE, process, lambda: asked() is not None)
            case "sent":
                self._within(_PATIENCE, process, sent)
            case "journalled":
                self._within(_PATIENCE, process, lambda: journalled() or is_answered())
            case "answered":
                self._within(_PATIENCE, process, is_answered)
                self._within(moment.share * _FINISHING, process, lambda: False)
            case "at a time":
                self._within(_PATIENCE, process, lambda: asked() is not None)
                self._within(moment.share * left / self._pace, process, lambda: False)

    def _within(self, seconds: float, process: Running, is_due: Callable[[], bool]) -> None:
        """Wait until something is due, at most some seconds, and no longer than the process runs."""
        while seconds > 0 and process.poll() is None:
            try:
                self._simulator.wait_until(is_due, min(seconds, _LOOK))
            except TimeoutError:
                seconds -= _LOOK
            else:
                return

    def _end(self, case: Case, process: Running) -> None:
        code, said = process.wait(_PATIENCE), case.said()
        if code > 0 or "Traceback" in said:
            case.wrong.append(f"a run ended with {code}: {said}")

    def _check(self, case: Case, whole: str) -> None:
        """What must hold after a kill."""
        if case.content() not in (OLD, whole):
            case.wrong.append("the target is neither the old answer nor the whole new one")
        journal = journal_path(case.target)
        if journal.exists():
            try:
                recover(journal)
            except (JournalError, OSError) as error:
                case.wrong.append(f"the journal cannot be read: {error}")

    def _where(self, case: Case) -> str:
        """In what a process is that is going to be killed."""
        requests = self._requests(case)
        if case.content() != OLD:
            return "replaced"
        if requests and requests[-1].ended == "complete":
            return "finishing"
        if requests and not requests[-1].ended:
            return "streaming" if requests[-1].tokens_sent else "connecting"
        return "starting"

    def _requests(self, case: Case) -> list[Received]:
        return [one for one in self._simulator.requests if _prompt(one) == case.prompt]

    @staticmethod
    def _written(case: Case) -> int:
        try:
            return journal_path(case.target).stat().st_size
        except FileNotFoundError:
            return 0


def _prompt(request: Received) -> object:
    messages = request.body.get("messages") or [{}]
    return messages[0].get("content")


def told(cases: list[Case]) -> list[str]:
    """What came of cases, line by line."""
    where = Counter(found for case in cases for found in case.found)
    ratios = sorted(case.ratio for case in cases)
    total = sum(case.billed for case in cases) / sum(case.tokens for case in cases)
    wrong = [f"{case.prompt.strip()} {case.found}: {what}" for case in cases for what in case.wrong]
    return [
        "killed while " + ", ".join(f"{name}: {count}" for name, count in where.most_common()),
        f"tokens billed for one: {total:.3f} in all, {ratios[-1]:.3f} at worst",
        *wrong,
    ]
