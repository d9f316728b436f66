"""A Redis server that is away, hangs, forgets its scripts, or holds what is not ours."""

import socket
import threading
from types import SimpleNamespace

import pytest
import redis as client

from seawall.state import READ, RedisStore, Step, StepError, StoreError
from seawall.state.redis_connections import RedisConnections
from seawall_testkit.stores import COUNT, SET, check_step, new_key, without_lua

KEY = "org:opus"
NAME = b"seawall:{org:opus}"


@pytest.fixture
def raw(own_redis_server):
    with client.Redis.from_url(own_redis_server.url) as raw:
        yield raw


@pytest.fixture
def store(own_redis_server):
    with RedisStore(own_redis_server.url) as store:
        yield store


@pytest.mark.parametrize(
    ("step", "value"), [(COUNT, b"\x81\xa5count\x01"), (without_lua(COUNT), b'{"count":1}')]
)
def test_a_document_is_one_value_under_a_key_with_a_hash_tag(store, raw, step, value):
    store.step(step, key=KEY)
    assert raw.keys() == [NAME]
    assert raw.get(NAME) == value


def test_a_document_that_an_earlier_version_wrote_is_read(store, raw):
    for step in (COUNT, without_lua(COUNT)):
        raw.set(NAME, b'{"count":41,"since":1700000000.123456}')
        store.step(step, key=KEY)
        assert store.step(READ, key=KEY) == {"count": 42, "since": 1700000000.123456}


# as deep as Redis packs
DEEP = {"a": [{"b": [[{"c": [{"d": [[{"e": [{"f": [[{"g": 1 / 3}]]}]}]]}]}]]}]}


@pytest.mark.parametrize(
    ("value", "is_json"),
    [
        ({"list": [0, 1 / 3], "text": "ä{", "": {"true": True, "dict": {}}}, False),
        ({"time": 1_700_000_000.123456, "null": None}, True),
        ({"list": [1, None, 1e300]}, True),
        (DEEP, False),
        ({"x": DEEP}, True),
        ({"x": [DEEP]}, True),
        ({"x": {"y": {"z": DEEP}}}, True),
    ],
)
def test_what_message_pack_cannot_carry_is_json(store, raw, value, is_json):
    for step in (SET, without_lua(SET)):
        store.step(step, key=KEY, to=value)
        store.step(COUNT, key=KEY)
        assert raw.get(NAME).startswith(b"{") is is_json
        assert store.step(READ, key=KEY) == value | {"count": 1}
        store.step(without_lua(COUNT), key=KEY)
        assert store.step(READ, key=KEY) == value | {"count": 2}


def test_a_prefix_keeps_deployments_apart(own_redis_server, store):
    with RedisStore(own_redis_server.url, prefix="other:") as other:
        other.step(COUNT, key=KEY, by=5)
    assert store.step(COUNT, key=KEY) == 1


def test_a_health_check_that_the_address_asks_for_is_made(own_redis_server, raw):
    with RedisStore(f"{own_redis_server.url}?health_check_interval=30") as store:
        store.step(COUNT, key=KEY)
        raw.config_resetstat()
        store._connections._idle[0].made.next_health_check = 0
        store.step(COUNT, key=KEY)
    assert raw.info("commandstats")["cmdstat_ping"]["calls"] == 1


def test_a_step_in_lua_is_one_round_trip_and_no_write_when_nothing_changes(store, raw):
    store.step(COUNT, key=KEY)
    store.step(READ, key=KEY)
    before = raw.info("commandstats")
    store.step(COUNT, key=KEY)
    store.step(READ, key=KEY)
    after = raw.info("commandstats")
    calls = {name: after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in after}
    assert {name: number for name, number in calls.items() if number} == {
        "cmdstat_evalsha": 2,
        "cmdstat_get": 2,
        "cmdstat_set": 1,
        "cmdstat_info": 1,
    }


def test_a_server_that_forgot_the_scripts_gets_them_again(store, raw):
    for step in (COUNT, without_lua(COUNT)):
        store.step(step, key=KEY)
        raw.script_flush()
        store.step(step, key=KEY)
    assert store.step(READ, key=KEY) == {"count": 4}


def test_a_server_that_was_killed_is_an_error_and_used_again_when_it_is_back(own_redis_server, store):
    store.step(COUNT, key=KEY)
    own_redis_server.kill()
    for step in (COUNT, without_lua(COUNT)):
        with pytest.raises(StoreError, match=f"127.0.0.1:{own_redis_server.port}: ConnectionError"):
            store.step(step, key=KEY)
    own_redis_server.start()
    assert [store.step(COUNT, key=KEY), store.step(without_lua(COUNT), key=KEY)] == [1, 2]


def test_a_server_that_ends_in_the_place_of_an_answer_is_an_error_and_used_again(own_redis_server):
    connections = RedisConnections(own_redis_server.url, timeout=2)
    with pytest.raises(client.ConnectionError, match="the server closed the connection"):
        connections.ask("SHUTDOWN", "NOSAVE")
    own_redis_server.kill()
    own_redis_server.start()
    assert connections.ask("PING") == b"PONG"
    connections.close()


def test_an_answer_that_is_none_is_an_error(own_redis_server):
    # as another program would that shares the socket by mistake
    connections = RedisConnections(own_redis_server.url, timeout=2)
    connections.ask("PING")
    connections._idle[0]._reader.feed(b"HTTP/1.1 400 Bad Request\r\n")
    with pytest.raises(client.InvalidResponse):
        connections.ask("PING")
    assert connections.ask("PING") == b"PONG"
    connections.close()


def test_what_the_server_tells_unasked_is_no_answer(own_redis_server, raw):
    with RedisStore(f"{own_redis_server.url}?protocol=3") as store:
        store.step(COUNT, key=KEY)
        store.step(COUNT, key="other")
        ids = [int(entry["id"]) for entry in raw.client_list() if int(entry["id"]) != raw.client_id()]
        # the store's connection now hears of each key that changes, before the answer to what changed it
        raw.execute_command("CLIENT", "TRACKING", "ON", "REDIRECT", max(ids), "BCAST")
        for step in (COUNT, without_lua(COUNT)) * 3:
            assert store.step(step, key=KEY) == store.step(step, key="other")
        assert store.step(READ, key=KEY) == {"count": 7}


def test_a_connection_that_is_closed_while_it_is_taken_is_an_error_of_the_store(
    own_redis_server, store, monkeypatch
):
    get_connection = client.ConnectionPool.get_connection

    def closed_meanwhile(pool):
        made = get_connection(pool)
        made.disconnect()
        return made

    with monkeypatch.context() as patches:
        patches.setattr(client.ConnectionPool, "get_connection", closed_meanwhile)
        with pytest.raises(StoreError, match="closed meanwhile"):
            store.step(COUNT, key=KEY)
    assert store.step(COUNT, key=KEY) == 1


@pytest.mark.parametrize("has_poll", [True, False])
def test_a_server_that_was_away_between_two_steps_is_noticed_before_a_step_is_sent(
    has_poll, own_redis_server, store, monkeypatch
):
    if not has_poll:  # as on Windows
        monkeypatch.setattr("seawall.state.redis_connections.select", SimpleNamespace())
    threads = [threading.Thread(target=store.step, args=(COUNT,), kwargs={"key": KEY}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    own_redis_server.kill()
    own_redis_server.start()
    assert [store.step(COUNT, key=KEY) for _ in range(5)] == [1, 2, 3, 4, 5]


def test_one_connection_serves_steps_that_follow_each_other(store, raw):
    for step in (COUNT, without_lua(COUNT), COUNT):
        store.step(step, key=KEY)
    assert len(raw.client_list()) == 2


@pytest.mark.parametrize(
    ("replaced", "value"),
    [
        (None, None),
        ("os.name", "nt"),
        ("os.get_blocking", lambda _: False),  # as a socket of gevent
        ("socket.SO_RCVTIMEO", -1),  # as a kernel that does not know it
    ],
)
def test_a_server_that_hangs_ends_in_an_error_and_the_step_is_not_sent_twice(
    replaced, value, own_redis_server, monkeypatch
):
    with RedisStore(own_redis_server.url, timeout=0.05) as store:
        with monkeypatch.context() as patches:
            if replaced:
                patches.setattr(f"seawall.state.redis_connections.{replaced}", value)
            store.step(COUNT, key=KEY)
        own_redis_server.freeze()
        with pytest.raises(StoreError, match=r"TimeoutError: no answer within 0\.05 s"):
            store.step(COUNT, key=KEY)
        own_redis_server.thaw()
    with RedisStore(own_redis_server.url) as store:
        # the one that hung was received, and done when the server went on
        assert store.step(READ, key=KEY) == {"count": 2}


def test_a_server_that_hangs_when_it_is_connected_to_ends_in_an_error(own_redis_server):
    own_redis_server.freeze()
    with RedisStore(own_redis_server.url, timeout=0.05) as store, pytest.raises(StoreError, match="Timeout"):
        store.step(COUNT, key=KEY)
    own_redis_server.thaw()


def test_a_server_that_hangs_has_a_tenth_of_the_time_for_ten_seconds_or_until_it_answers(own_redis_server):
    now = 100.0
    with RedisStore(own_redis_server.url, timeout=2, clock=lambda: now) as store:

        def fails(reason: str) -> None:
            with pytest.raises(StoreError, match=reason):
                store.step(COUNT, key=KEY)

        store.step(COUNT, key=KEY)
        own_redis_server.freeze()
        fails(r"no answer within 2\.0 s")
        own_redis_server.thaw()
        store.step(COUNT, key=KEY)  # in a hurry, which ends as it is answered
        store.step(COUNT, key=KEY)
        connections = store._connections
        # a second one, so that the last failure is one of an answer, too
        connections._idle.append(connections._connected())
        own_redis_server.freeze()
        fails(r"no answer within 2\.0 s")
        now = 109.9
        fails(r"no answer within 0\.2 s")
        now = 110.0
        fails(r"no answer within 2\.0 s")
        own_redis_server.thaw()


def test_an_error_names_host_and_reason_but_no_password(own_redis_server, raw):
    raw.config_set("requirepass", "correct")
    url = own_redis_server.url.replace("//", "//:hunter2@")
    with RedisStore(url) as store, pytest.raises(StoreError, match=r"127\.0\.0\.1") as caught:
        store.step(COUNT, key=KEY)
    assert "AuthenticationError" in str(caught.value)
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__} {store!r} {vars(caught.value)}"


def test_a_refusal_of_the_server_is_an_error_of_the_store(store, raw):
    raw.config_set("maxmemory", 1)
    for step in (COUNT, without_lua(COUNT)):
        with pytest.raises(StoreError, match=r"OOM|OutOfMemory"):
            store.step(step, key=KEY)


@pytest.mark.parametrize(
    "value",
    [
        b"not JSON",
        b"[1]",
        b"3",
        b"{",
        b"\x81\xa5count",  # an end is missing
        b"\x81\xa5count\x01\x01",  # one value too many
        b"\x91\x01",  # a list
        b"\xc0",  # null
        b"\xc1",  # never used
    ],
)
def test_a_value_that_is_no_document_is_an_error_and_stays(store, raw, value):
    raw.set(NAME, value)
    for step in (COUNT, without_lua(COUNT)):
        with pytest.raises(StoreError, match="no document"):
            store.step(step, key=KEY)
    assert raw.get(NAME) == value


def test_a_key_of_another_type_is_an_error_and_stays(store, raw):
    raw.rpush(NAME, "a")
    for step in (COUNT, without_lua(COUNT)):
        with pytest.raises(StoreError, match="WRONGTYPE"):
            store.step(step, key=KEY)


def test_numbers_keep_all_their_digits_wherever_they_are_and_text_stays_text(redis):
    numbers = [0.1, 1e14, -1e14, 1e14 - 1, 1e14 + 2, 1_700_000_000.123456, -0.5, 7]
    value = {"list": [numbers, [[number] for number in numbers]], "text": ["ÿ1.5", '"ÿ1.5"', "\xff0.1"]}
    value |= {f"{number}": {"of": number} for number in numbers}
    check_step(redis, [(SET, {"to": value}), (READ, {}), (COUNT, {"by": 0.1})])


@pytest.mark.parametrize(
    ("lua", "reason"),
    [
        ("error('too much', 0)", "too much"),
        ("return document.a.b, 1", "attempt to index"),
        ("return 1, 1", "table"),
        ("return {1, 2}, 1", "table"),
        ("document.x = 0/0; return document, 1", "not finite"),
        ("document.x = -1/0; return document, 1", "not finite"),
        ("document.x = {1, nil, 3}; return document, 1", "gap"),
        ("document.x = {1, x = 2}; return document, 1", "gap"),
        ("document.x = {[2] = 2}; return document, 1", "not a string: 2"),
        ("document.x = tostring; return document, 1", "serialise"),
        ("return document, 1/0", "not finite"),
    ],
)
def test_lua_that_fails_is_an_error_of_the_step_and_changes_nothing(redis, lua, reason):
    key = new_key()
    redis.step(COUNT, key=key)
    with pytest.raises(StepError, match=f"step 'failing' on the document of '{key}': .*{reason}"):
        redis.step(Step("failing", COUNT.function, lua), key=key)
    assert redis.step(READ, key=key) == {"count": 1}


def test_lua_that_is_none_is_an_error(redis):
    with pytest.raises(StoreError, match="compiling"):
        redis.step(Step("wrong", COUNT.function, "return return"), key=new_key())


def test_arguments_that_are_not_json_are_an_error_of_the_step(redis):
    with pytest.raises(StepError, match="arguments"):
        redis.step(COUNT, key=new_key(), by={1})


def test_a_step_without_lua_is_tried_again_when_another_came_between(store, own_redis_server):
    seen = []
    with RedisStore(own_redis_server.url) as other:

        def function(document, arguments):
            seen.append(document)
            if len(seen) < 4:
                other.step(COUNT, key=KEY)
            return COUNT.function(document, arguments)

        assert store.step(Step("count", function), key=KEY) == 4
    assert seen == [{}, {"count": 1}, {"count": 2}, {"count": 3}]


def test_a_step_without_lua_gives_up_when_others_always_come_between(store, own_redis_server):
    with RedisStore(own_redis_server.url) as other:

        def function(document, arguments):
            other.step(COUNT, key=KEY)
            return {"late": True}, None

        with pytest.raises(
            StoreError, match="others changed the document of 'org:opus' in all of 64 attempts"
        ):
            store.step(Step("late", function), key=KEY)
        assert store.step(READ, key=KEY) == {"count": 64}


def test_after_close_a_step_is_refused(redis_server):
    store = RedisStore(redis_server.url)
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.step(COUNT, key=KEY)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="Python has no Unix sockets here")
def test_a_socket_in_the_file_system_is_named_by_its_path(tmp_path):
    with (
        RedisStore(f"unix://{tmp_path}/redis.sock") as store,
        pytest.raises(StoreError, match=r"redis\.sock: "),
    ):
        store.step(COUNT, key=KEY)
