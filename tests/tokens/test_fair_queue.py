"""Who is next."""

from seawall_tokens import fair_queue


def request(caller="", weight=1.0, tags=()):
    return {
        "caller": caller,
        "weight": weight,
        "input": 100.0,
        "output": 10.0,
        "prefix": "",
        "tags": list(tags),
    }


def queue(*entries, time=0.0):
    """A document in which requests wait: (ticket, caller, cost), in the order in which they came."""
    document = {"time": time}
    for ticket, caller, cost in entries:
        document = fair_queue.with_place(document, ticket, request(caller), cost)
    return document


def order(document):
    """Serve all that waits."""
    served = []
    while waiting := fair_queue.places(document):
        served.append(next(iter(waiting)))
        document = fair_queue.without(document, served[-1:], served=True)
    return served


def test_a_caller_is_served_first_come_first_served():
    document = queue(("a", "", 0.5), ("b", "", 0.001), ("c", "", 0.2))
    assert order(document) == ["a", "b", "c"]


def test_a_caller_with_a_short_request_goes_before_a_backlog():
    backlog = [(f"heavy {number}", "heavy", 0.1) for number in range(50)]
    document = queue(*backlog, ("light", "light", 0.01))
    assert order(document)[0] == "light"


def test_callers_share_by_their_weight():
    document = {"time": 0.0}
    for number in range(30):
        for caller, weight in (("one", 1.0), ("two", 2.0)):
            ticket = f"{caller} {number}"
            document = fair_queue.with_place(document, ticket, request(caller, weight), 0.1)
    first = order(document)[:30]
    assert sum(ticket.startswith("two") for ticket in first) == 20


def test_nobody_starves_behind_a_caller_that_keeps_coming():
    document = queue(("patient", "patient", 0.5))
    served = []
    for number in range(100):
        document = fair_queue.with_place(document, f"{number:03}", request("busy"), 0.1)
        served.append(next(iter(fair_queue.places(document))))
        document = fair_queue.without(document, served[-1:], served=True)
    assert "patient" in served[:7]


def test_one_that_asks_again_keeps_its_place():
    document = queue(("a", "", 0.1), ("b", "", 0.1))
    before = fair_queue.places(document)["a"].finish
    document = fair_queue.with_place(document, "a", request(), 0.9)
    assert fair_queue.places(document)["a"].finish == before
    assert order(document) == ["a", "b"]


def test_one_that_was_refused_by_the_server_is_next_again():
    document = queue(("a", "", 0.1), ("b", "", 0.1), ("c", "", 0.1))
    place = fair_queue.places(document)["a"]
    document = fair_queue.without(document, ["a"], served=True)
    document = fair_queue.with_place(document, "a", request(tags=(place.finish, place.start)), 0.1)
    assert order(document) == ["a", "b", "c"]


def test_one_that_does_not_come_back_in_time_is_forgotten():
    document = queue(("a", "", 0.1), ("b", "", 0.1))
    document = fair_queue.staying(document, "b", 20.0)
    document = fair_queue.expired({**document, "time": 10.0})
    assert list(fair_queue.places(document)) == ["b"]
    assert not fair_queue.places(fair_queue.expired({**document, "time": 24.0}))


def test_what_nobody_waits_for_is_not_kept():
    document = queue(("a", "one", 0.1), ("b", "two", 0.1))
    document = fair_queue.without(document, ["a", "b"], served=True)
    assert "waiting" not in document
    assert set(document.get("finished", {})) <= {"one", "two"}
    document = fair_queue.with_place(document, "c", request("three"), 5.0)
    document = fair_queue.without(document, ["c"], served=True)
    document = fair_queue.with_place(document, "d", request("three"), 5.0)
    document = fair_queue.without(document, ["d"], served=True)
    assert set(document["finished"]) == {"three"}
