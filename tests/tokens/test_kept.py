"""What estimates learned outlives the process."""

import pytest

from seawall.call import Attempt, Call, Usage
from seawall.state import MemoryStore, SQLiteStore, Step, StoreError
from seawall_tokens import Tokens
from seawall_tokens.calibration import Learned
from seawall_tokens.kept import Kept

SET = Step("set", lambda _, arguments: (arguments["document"], None))


def test_what_is_saved_is_loaded_by_another_process(tmp_path):
    learned = {"a": Learned(3.0, 0.25), "b": Learned(1.0, -0.5)}
    with SQLiteStore(tmp_path / "state.sqlite") as store:
        Kept(store, "host").save(learned)
    with SQLiteStore(tmp_path / "state.sqlite") as store:
        assert Kept(store, "host").load() == learned


def test_what_one_server_counts_says_nothing_of_another():
    store = MemoryStore()
    Kept(store, "127.0.0.1:8000").save({"a": Learned(3.0, 0.25)})
    assert Kept(store, "api.anthropic.com").load() == {}


def test_the_ratios_longest_not_learned_are_dropped():
    store = MemoryStore()
    kept = Kept(store, "host")
    for number in range(600):
        kept.save({f"{number}": Learned(1.0, 0.1)})
        kept.save({"0": Learned(1.0, 0.1)})
    loaded = kept.load()
    assert len(loaded) == 512
    assert "0" in loaded
    assert "1" not in loaded


@pytest.mark.parametrize("value", [None, 3, "x", [1], [1, "x"], [1, 2, 3], {"a": 1}])
def test_what_is_no_ratio_is_left_out(value):
    store = MemoryStore()
    store.step(SET, key="calibration:host", document={"bad": value, "good": [1.0, 0.5]})
    assert Kept(store, "host").load() == {"good": Learned(1.0, 0.5)}


def test_a_store_that_fails_costs_no_call_and_that_is_said_once(caplog):
    class Failing(MemoryStore):
        def step(self, step, /, *, key, **arguments):
            raise StoreError("file", "full")

    kept = Kept(Failing(), "host")
    for _ in range(3):
        assert kept.load() == {}
        kept.save({"a": Learned(1.0, 0.1)})
    assert len(caplog.records) == 1


def test_a_new_plugin_estimates_as_the_one_before_it_learned():
    store = MemoryStore()
    params = {
        "model": "claude-opus-5-5",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "Hi " * 500}],
    }
    plain = Tokens().estimate_request(params).tokens

    def run(plugin):
        attempt = Attempt(1, "send", status=200, usage=Usage(input_tokens=round(plain * 1.5)))
        call = Call("1", params, stream=False, host="host", attempts=[attempt], store=store)
        for decision in (plugin.pre_request(call), plugin.on_error(call)):
            if decision is not None:
                decision.work()

    first = Tokens()
    for _ in range(3):
        run(first)
    second = Tokens()
    run(second)
    assert second.estimate_request(params).tokens == pytest.approx(plain * 1.5, rel=0.05)
