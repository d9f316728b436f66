"""The step on the document of a model class: by hand, by Hypothesis, and on all stores."""

import math

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from seawall.state import READ, MemoryStore, leases
from seawall_tokens import buckets
from seawall_tokens.admission import GOVERN

LIMITS = {"requests": 60.0, "input": 60_000.0, "output": 6_000.0}


class Sender:
    """A process that uses the limits; its clock is set by hand."""

    def __init__(self, store=None, owner="owner", **options):
        self.store = store or MemoryStore()
        self.owner = owner
        self.options = {"limits": LIMITS, "reserves": False, "max_concurrent": None, **options}
        self.outstanding = self.streams = 0

    def step(self, now, request=None, **report):
        base = {
            "owner": self.owner,
            "outstanding": self.outstanding,
            "streams": self.streams,
            "written": 0.0,
            "unused": {},
            "said": None,
            "is_answered": False,
            "succeeded": 0,
            "rejected": None,
            "warm": [],
            "left": [],
        }
        arguments = {"now": now, "report": {**base, **report}, "request": request, **self.options}
        return self.store.step(GOVERN, key="rate", **arguments)

    def ask(self, now, ticket="t", *, caller="", prefix="", tags=(), amount=1_000.0, output=100.0, **report):
        request = {
            "ticket": ticket,
            "caller": caller,
            "weight": 1.0,
            "input": amount,
            "output": output,
            "prefix": prefix,
            "tags": list(tags),
        }
        verdict = self.step(now, request, **report)
        if verdict["is_admitted"]:
            self.streams += 1
            self.outstanding += output
        return verdict

    @property
    def document(self):
        return self.store.step(READ, key="rate")

    def level(self, name):
        return self.document["levels"][name]


def warm(**options):
    """A sender whose ramp is over and whose buckets are full."""
    sender = Sender(**options)
    for now in range(0, 200, 40):
        sender.step(float(now))
    return sender


def test_what_is_admitted_is_taken_and_what_was_not_used_comes_back():
    sender = warm()
    assert sender.ask(160.0)["is_admitted"]
    assert sender.level("input") == LIMITS["input"] - 1_000
    assert sender.level("requests") == 59
    sender.step(160.0, unused={"input": 400.0})
    assert sender.level("input") == LIMITS["input"] - 600


def test_a_bucket_fills_with_the_rate_of_its_limit_and_not_further():
    sender = warm()
    sender.ask(160.0, amount=30_000.0)
    sender.step(170.0)
    assert sender.level("input") == pytest.approx(40_000.0)
    sender.step(200.0)
    assert sender.level("input") == LIMITS["input"]


def test_the_guard_is_left_alone_and_the_wait_is_what_it_takes():
    sender = warm()
    sender.ask(160.0, "a", amount=57_000.0)
    verdict = sender.ask(160.0, "b", amount=1_000.0)
    assert not verdict["is_admitted"]
    assert verdict["wait"] == verdict["estimate"] == pytest.approx(1.0)  # 3,000 for the guard, 1,000 a second
    assert verdict["reason"] == "input tokens per minute"
    assert sender.ask(160.0 + verdict["wait"], "b", amount=1_000.0)["is_admitted"]


def test_more_than_a_bucket_holds_goes_when_it_is_full_and_leaves_a_debt():
    sender = warm()
    assert sender.ask(160.0, "a", amount=90_000.0)["is_admitted"]
    assert sender.level("input") == -30_000
    verdict = sender.ask(160.0, "b", amount=1_000.0)
    assert verdict["estimate"] == pytest.approx(34.0)


def test_output_in_flight_is_counted_until_it_is_written():
    sender = warm()
    assert sender.ask(160.0, "a", output=5_000.0)["is_admitted"]
    assert not sender.ask(160.0, "b", output=5_000.0)["is_admitted"]
    sender.outstanding, sender.streams = 0, 0
    sender.step(161.0, written=100.0)
    assert sender.level("output") == LIMITS["output"] - 100
    assert sender.ask(161.0, "b", output=5_000.0)["is_admitted"]


def test_a_server_that_reserves_max_tokens_is_paid_them_at_once():
    sender = warm(reserves=True)
    sender.ask(160.0, output=4_000.0, written=0.0)
    assert sender.level("output") == 2_000
    sender.step(160.0, written=900.0, unused={"output": 3_100.0})
    assert sender.level("output") == 5_100


def said(verdict, **remaining):
    return {
        "limits": LIMITS,
        "remaining": remaining,
        "time": verdict["time"],
        "taken": verdict["taken"],
    }


def test_a_level_follows_the_headers_down_at_once_and_up_by_a_part():
    sender = warm()
    verdict = sender.ask(160.0, "a", amount=10_000.0)
    sender.step(160.0, said=said(verdict, input=20_000.0))
    assert sender.level("input") == 20_000
    sender.step(160.0, said=said(verdict, input=50_000.0))
    assert sender.level("input") == pytest.approx(29_000)


def test_what_was_sent_and_what_flowed_in_since_the_stamp_count():
    sender = warm()
    sender.step(160.0, said=said({"time": 160.0, "taken": {}}, input=60_000.0))
    verdict = sender.ask(160.0, "a", amount=10_000.0)
    sender.ask(160.0, "b", amount=5_000.0)
    sender.step(162.0, said=said(verdict, input=20_000.0))
    assert sender.level("input") == pytest.approx(20_000 + 2_000 - 5_000)


def test_a_bucket_is_taken_to_be_as_deep_as_it_was_ever_seen():
    sender = warm()
    verdict = sender.ask(160.0, "a")
    sender.step(160.0, said=said(verdict, input=6_000.0))
    assert sender.ask(161.0, "b", amount=3_000.0)["is_admitted"]
    sender.step(200.0)
    assert sender.level("input") == 6_000
    # one that is larger goes when the bucket is full
    assert sender.ask(200.0, "c", amount=20_000.0)["is_admitted"]
    sender.step(201.0, said=said({"time": 201.0, "taken": {}}, input=9_000.0))
    assert buckets.capacity(sender.document, "input") == 9_000


def test_limits_are_learned_and_those_configured_bound_them():
    sender = Sender(limits={"input": 1_000.0})
    verdict = sender.ask(0.0, amount=10.0)
    sender.step(1.0, said=said(verdict, input=5.0, output=6_000.0))
    document = sender.document
    assert buckets.limits_of(document) == {"requests": 60.0, "input": 1_000.0, "output": 6_000.0}


def test_after_a_429_nothing_goes_for_as_long_as_it_said_and_the_request_is_next():
    sender = warm()
    verdict = sender.ask(160.0, "a", amount=1_000.0)
    sender.ask(160.0, "b", amount=58_000.0)
    sender.step(160.0, rejected=5.0, unused={"input": 1_000.0})
    assert sender.level("input") <= 0
    assert buckets.guard(sender.document) == pytest.approx(buckets.GUARD + 0.01)
    again = sender.ask(160.0, "a", amount=1_000.0, tags=verdict["tags"])
    assert again["wait"] == pytest.approx(5.0)
    other = sender.ask(163.0, "c", amount=10.0)
    assert (other["is_admitted"], other["ahead"]) == (False, 2)
    sender.step(230.0)
    assert sender.ask(230.0, "a", amount=1_000.0, tags=verdict["tags"])["is_admitted"]


def test_the_guard_shrinks_with_every_success():
    sender = warm()
    sender.step(160.0, rejected=0.0)
    sender.step(160.0, succeeded=500)
    assert buckets.GUARD < buckets.guard(sender.document) < buckets.GUARD + 0.006


def test_after_an_idle_time_a_share_of_the_limit_is_used_that_doubles():
    sender = Sender()
    sender.step(0.0)
    assert sender.level("input") == 15_000
    sender.step(15.0)
    assert buckets.share(sender.document) == 0.5
    sender.step(40.0)
    assert buckets.share(sender.document) == 1.0
    sender.step(1_000.0)
    assert sender.level("input") == 15_000


def test_while_no_answer_has_told_the_limits_few_are_in_flight():
    sender = Sender(limits={})
    verdicts = [sender.ask(0.0, str(number)) for number in range(12)]
    assert sum(verdict["is_admitted"] for verdict in verdicts) == 8
    assert verdicts[-1]["reason"] == "a first answer, to learn the limits"
    # a platform without such headers limits nothing that one could see
    sender.step(1.0, is_answered=True)
    assert all(sender.ask(1.0, str(number))["is_admitted"] for number in range(8, 40))


def test_no_more_run_than_max_concurrent():
    sender = warm(max_concurrent=2)
    assert sender.ask(160.0, "a")["is_admitted"]
    assert sender.ask(160.0, "b")["is_admitted"]
    verdict = sender.ask(160.0, "c")
    assert not verdict["is_admitted"]
    assert "max_concurrent" in verdict["reason"]
    sender.streams = 1
    assert sender.ask(160.0, "c")["is_admitted"]


def test_where_there_is_room_for_all_a_request_goes_before_one_that_has_not_asked_again():
    sender = warm(max_concurrent=1)
    sender.ask(160.0, "a")
    assert not sender.ask(160.0, "b")["is_admitted"]
    assert not sender.ask(160.0, "c")["is_admitted"]
    sender.streams = 0
    # one may run: it is "b" that is next
    waits = sender.ask(161.0, "c")
    assert (waits["is_admitted"], waits["ahead"], waits["reason"]) == (False, 1, "requests before it")
    sender.options["max_concurrent"] = 2
    assert sender.ask(161.0, "c")["is_admitted"]
    assert sender.ask(161.0, "b")["is_admitted"]


def test_where_the_room_is_for_those_before_it_a_request_waits():
    sender = warm()
    sender.ask(160.0, "a", amount=56_000.0)
    assert not sender.ask(160.0, "b", amount=9_000.0)["is_admitted"]
    verdict = sender.ask(165.0, "c", amount=1_000.0)
    assert (verdict["is_admitted"], verdict["ahead"]) == (False, 1)
    assert verdict["reason"] == "input tokens per minute"


def test_when_the_first_answer_came_all_go_for_whom_there_is_room():
    sender = Sender(limits={})
    waiting = [f"t{number}" for number in range(8, 20)]
    for number in range(8):
        assert sender.ask(0.0, f"t{number}")["is_admitted"]
    for ticket in waiting:
        assert sender.ask(0.0, ticket)["reason"] == "a first answer, to learn the limits"
    sender.step(1.0, is_answered=True)
    assert all(sender.ask(1.1, ticket)["is_admitted"] for ticket in reversed(waiting))


def test_the_first_request_with_a_prefix_goes_alone_and_others_pass():
    sender = warm()
    assert sender.ask(160.0, "a", prefix="p")["is_admitted"]
    verdict = sender.ask(160.0, "b", prefix="p")
    assert not verdict["is_admitted"]
    assert "cache" in verdict["reason"]
    assert sender.ask(160.0, "c", prefix="q")["is_admitted"]
    assert sender.ask(160.0, "d")["is_admitted"]
    sender.step(161.0, warm=["p"])
    assert sender.ask(161.0, "b", prefix="p")["is_admitted"]
    assert sender.ask(161.0, "e", prefix="p")["is_admitted"]


def test_nobody_waits_for_ever_for_a_first_request_that_never_answers():
    sender = warm()
    sender.ask(160.0, "a", prefix="p")
    sender.step(175.0)
    assert sender.ask(191.0, "b", prefix="p")["is_admitted"]


def test_what_a_killed_process_had_in_flight_comes_back():
    store = MemoryStore()
    killed, other = warm(store=store), Sender(store, "other")
    assert killed.ask(160.0, "a", output=5_700.0)["is_admitted"]
    killed.ask(160.0, "b", amount=50_000.0)  # waits
    assert not other.ask(161.0, "c", output=5_000.0)["is_admitted"]
    assert other.ask(176.0, "c", output=5_000.0)["is_admitted"]


@pytest.mark.parametrize("jump", [-1e9, 1e9])
def test_a_clock_that_jumps_mints_no_more_than_a_bucket(jump):
    sender = warm()
    sender.ask(160.0, amount=50_000.0)
    for number in range(10):
        sender.step(160.0 + jump * (number % 2))
        assert sender.level("input") <= LIMITS["input"]
    assert math.isfinite(sender.level("input"))


class Bucket(RuleBasedStateMachine):
    """Whatever happens: what was taken, came back, flowed in and was corrected explains each level."""

    @initialize()
    def begin(self):
        self.sender = warm()
        self.now = 160.0
        self.running = []
        self.number = 0
        self.expected = dict(LIMITS)

    def passed(self, seconds=0.0):
        """Let time pass, in the model."""
        self.now += seconds
        for name, limit in LIMITS.items():
            self.expected[name] = min(self.expected[name] + limit * seconds / 60, limit)

    @rule(seconds=st.floats(0, 30))
    def wait(self, seconds):
        self.passed(seconds)
        self.sender.step(self.now)

    @rule(amount=st.integers(1, 80_000), output=st.integers(1, 5_000))
    def reserve(self, amount, output):
        self.number += 1
        verdict = self.sender.ask(self.now, str(self.number), amount=float(amount), output=float(output))
        if verdict["is_admitted"]:
            self.running.append((amount, output))
            self.expected["input"] -= amount
            self.expected["requests"] -= 1
        else:
            # it does not wait
            self.sender.step(self.now, left=[str(self.number)])

    @rule(tokens=st.integers(0, 500))
    def drain(self, tokens):
        if self.running:
            self.expected["output"] -= tokens
            self.sender.outstanding = max(self.sender.outstanding - tokens, 0)
            self.sender.step(self.now, written=float(tokens))

    @rule(share=st.floats(0, 2))
    def settle(self, share):
        if self.running:
            amount, _ = self.running.pop()
            self.sender.streams -= 1
            self.sender.outstanding = sum(output for _, output in self.running)
            self.sender.step(self.now, unused={"input": amount - share * amount})
            self.expected["input"] += amount - share * amount

    @rule()
    def crash(self):
        """Another process takes over; the lease of the first ends by itself."""
        self.sender = Sender(self.sender.store, owner=f"owner {self.now}")
        self.running = []
        self.passed(16.0)
        self.sender.step(self.now)

    @invariant()
    def levels_are_explained(self):
        if not hasattr(self, "sender"):
            return
        # a refund into a full bucket flows over at the next step
        self.sender.step(self.now)
        for name, limit in LIMITS.items():
            self.expected[name] = min(self.expected[name], limit)
            assert self.sender.level(name) == pytest.approx(self.expected[name], abs=1e-3)

    @invariant()
    def what_is_in_flight_is_held(self):
        if hasattr(self, "sender"):
            held = leases.held(self.sender.document)
            assert held.get("streams", 0) == len(self.running)


TestBucket = Bucket.TestCase
TestBucket.settings = settings(max_examples=40, stateful_step_count=40)
