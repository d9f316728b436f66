"""`seawall run`, in processes that are killed at random moments; 200 of them: `benchmarks/kills.py`."""

from files.kills import Killer, cases_of, run_until, told
from files.processes import forked
from seawall_testkit import Simulator

KILLS, EACH, SEED = 30, 3, 1
TOKENS, PACE = 4000, 800.0


def test_what_is_killed_thirty_times_is_whole_in_the_end_and_hardly_dearer(tmp_path):
    with Simulator(answer_tokens=TOKENS, tokens_per_event=8, tokens_per_second=PACE) as simulator:
        killer = Killer(simulator, PACE, start=forked, starting=0.2)
        cases = [*run_until(KILLS, killer, cases_of(SEED, EACH, tmp_path), at_once=4)]
    assert [what for case in cases for what in case.wrong] == [], told(cases)
    assert sum(len(case.found) for case in cases) >= KILLS
    # what was on its way when a process was killed is asked for again
    assert sum(case.billed for case in cases) <= 1.10 * sum(case.tokens for case in cases)
