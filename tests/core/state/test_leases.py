"""What is granted comes back once: released, expired, or from the dead."""

import math

import pytest

from seawall.state import leases

TWO = leases.grant(leases.grant({"level": 1}, "a", {"tokens": 5, "requests": 1}, 10), "b", {"tokens": 7}, 20)


def test_a_document_keeps_who_holds_what():
    assert leases.held(TWO) == {"tokens": 12, "requests": 1}
    assert TWO["level"] == 1


def test_who_holds_what_can_be_asked():
    assert leases.owners(TWO) == ["a", "b"]
    assert leases.owners(TWO, "requests") == ["a"]
    assert leases.owners(TWO, "unknown") == leases.owners({}) == []


def test_a_second_grant_replaces_the_first():
    assert leases.held(leases.grant(TWO, "a", {"tokens": 1}, 10)) == {"tokens": 8}


def test_release_returns_what_was_held_once():
    document, amounts = leases.release(TWO, "a")
    assert amounts == {"tokens": 5, "requests": 1}
    assert leases.release(document, "a") == (document, {})
    assert leases.held(document) == {"tokens": 7}


def test_a_document_without_leases_has_no_trace_of_them():
    document, _ = leases.release(leases.release(TWO, "a")[0], "b")
    assert document == {"level": 1}


@pytest.mark.parametrize(
    ("now", "dead", "back"),
    [
        (9.99, (), {}),
        (10, (), {"tokens": 5, "requests": 1}),
        (20, (), {"tokens": 12, "requests": 1}),
        (0, ["b", "nobody"], {"tokens": 7}),
        (10, ["b"], {"tokens": 12, "requests": 1}),
    ],
)
def test_what_expired_or_was_of_the_dead_comes_back(now, dead, back):
    document, amounts = leases.expire(TWO, now, dead)
    assert amounts == back
    assert leases.expire(document, now, dead) == (document, {})


def test_a_renewed_lease_expires_later():
    document, was_held = leases.renew(TWO, "a", 30)
    assert was_held
    assert leases.expire(document, 29)[1] == {"tokens": 7}


def test_renewing_with_amounts_keeps_those():
    document, _ = leases.renew(TWO, "a", 30, {"tokens": 2})
    assert leases.release(document, "a")[1] == {"tokens": 2}


def test_one_lease_may_hold_the_sum_of_many_calls():
    document = {"level": 1}
    for tokens in (5, 7):
        document, made = leases.adjust(document, "a", {"tokens": tokens, "requests": 1}, 10 + tokens)
        assert made == {"tokens": tokens, "requests": 1}
    assert leases.held(document) == {"tokens": 12, "requests": 2}
    assert leases.expire(document, 16)[1] == {}
    document, made = leases.adjust(document, "a", {"tokens": -5, "requests": -1}, 20)
    assert made == {"tokens": -5, "requests": -1}
    assert leases.adjust(document, "a", {"tokens": -7, "requests": -1}, 20)[0] == {"level": 1}


def test_no_more_can_be_taken_from_a_lease_than_it_holds():
    document, made = leases.adjust(TWO, "a", {"tokens": -6}, 10)
    assert made == {"tokens": -5}
    assert leases.release(document, "a")[1] == {"requests": 1}
    assert leases.adjust({}, "a", {"tokens": -1}, 10) == ({}, {"tokens": 0})


@pytest.mark.parametrize("change", [math.nan, math.inf, -math.inf])
def test_a_change_that_is_none_is_refused(change):
    with pytest.raises(ValueError, match="tokens changed by"):
        leases.adjust(TWO, "a", {"tokens": change}, 10)


def test_what_is_gone_cannot_be_renewed():
    document, _ = leases.release(TWO, "a")
    assert leases.renew(document, "a", 30) == (document, False)
    assert leases.renew({}, "a", 30) == ({}, False)


@pytest.mark.parametrize("amount", [-1, math.nan, math.inf])
def test_an_amount_that_is_none_is_refused(amount):
    with pytest.raises(ValueError, match=r"lease of 'a': tokens = "):
        leases.grant({}, "a", {"tokens": amount}, 1)


@pytest.mark.parametrize("expires", [math.nan, math.inf])
def test_a_lease_without_end_is_refused(expires):
    with pytest.raises(ValueError, match="expires"):
        leases.grant({}, "a", {}, expires)


def test_the_document_given_is_not_changed():
    before = repr(TWO)
    leases.renew(TWO, "a", 30, {})
    leases.release(TWO, "a")
    leases.expire(TWO, 100)
    leases.grant(TWO, "a", {}, 1)
    leases.adjust(TWO, "a", {"tokens": 1}, 1)
    assert repr(TWO) == before


def test_amounts_are_kept_as_they_are_at_the_grant():
    amounts = {"tokens": 1}
    document = leases.grant({}, "a", amounts, 1)
    amounts["tokens"] = 2
    assert leases.held(document) == {"tokens": 1}
