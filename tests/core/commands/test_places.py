"""Where in a file a setting is."""

import tomllib

import pytest
from hypothesis import given, settings, strategies as st

from seawall.commands.places import nearest, places

FILE = """\
# a [comment] = "that is none"
plugins = ["streaming", 'my "guard"']
a.b . "c.d" = 1979-05-27 07:32:00

[streaming] # here
  hold = \"\"\"
[no.table]
key = 1 \\\"\"\" \"\"\"\"\"
idle_timeout = 3

[[tokens.budgets]]
dollars = 1
[tokens.budgets.more]
x = '''a''''
[[tokens.budgets]]
dollars = 2
per = { unit = "day", list = [
  [1, 2], # a ] comment
  { y = "}" },
] }
[tokens]
pace = true
"""


def test_each_key_and_each_element_has_its_line_and_column() -> None:
    tomllib.loads(FILE)
    assert places(FILE) == {
        ("plugins",): (2, 1),
        ("plugins", "0"): (2, 12),
        ("plugins", "1"): (2, 25),
        ("a",): (3, 1),
        ("a", "b"): (3, 3),
        ("a", "b", "c.d"): (3, 7),
        ("streaming",): (5, 2),
        ("streaming", "hold"): (6, 3),
        ("streaming", "idle_timeout"): (9, 1),
        ("tokens",): (11, 3),
        ("tokens", "budgets"): (11, 10),
        ("tokens", "budgets", "0"): (11, 10),
        ("tokens", "budgets", "0", "dollars"): (12, 1),
        ("tokens", "budgets", "0", "more"): (13, 17),
        ("tokens", "budgets", "0", "more", "x"): (14, 1),
        ("tokens", "budgets", "1"): (15, 10),
        ("tokens", "budgets", "1", "dollars"): (16, 1),
        ("tokens", "budgets", "1", "per"): (17, 1),
        ("tokens", "budgets", "1", "per", "unit"): (17, 9),
        ("tokens", "budgets", "1", "per", "list"): (17, 23),
        ("tokens", "budgets", "1", "per", "list", "0"): (18, 3),
        ("tokens", "budgets", "1", "per", "list", "0", "0"): (18, 4),
        ("tokens", "budgets", "1", "per", "list", "0", "1"): (18, 7),
        ("tokens", "budgets", "1", "per", "list", "1"): (19, 3),
        ("tokens", "budgets", "1", "per", "list", "1", "y"): (19, 5),
        ("tokens", "pace"): (22, 1),
    }


def test_the_line_ends_of_windows_are_counted_as_one() -> None:
    assert places(FILE.replace("\n", "\r\n")) == places(FILE)


@pytest.mark.parametrize(
    ("path", "expected"),
    [(("a", "b", "x"), (3, 3)), (("tokens", "budgets", "7"), (11, 10)), (("z",), (1, 1))],
)
def test_what_is_missing_is_looked_for_in_its_table(path: tuple[str, ...], expected: tuple[int, int]) -> None:
    assert nearest(places(FILE), path) == expected


def paths(value: object, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Every path in what `tomllib` read."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    inner = (paths(item, (*path, str(key))) for key, item in items)
    return set.union({path} if path else set(), *inner)


def quoted(text: str) -> str:
    return '"' + "".join(f"\\u{ord(letter):04x}" if letter in '"\\' else letter for letter in text) + '"'


TEXT = st.text(alphabet="ab \"'\\#=[]{},.é", max_size=6)
KEYS = st.one_of(st.from_regex(r"[A-Za-z0-9_-]{1,5}", fullmatch=True), TEXT.map(quoted))
SCALARS = st.one_of(
    st.integers(-99, 99).map(str),
    st.sampled_from(["1.5", "inf", "true", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00.5", "07:32:00"]),
    TEXT.map(quoted),
    st.sampled_from(
        ["'a\"b'", "''", "''''''", '""""""', "'''\n[x]\n# y'''''", '"""a\\\n ""\\""""""', '"""\n"a" """']
    ),
)


def lists(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    separators = st.sampled_from([", ", ",\n", ", # a, ]\n\t"])
    return st.builds(
        lambda items, between: f"[{between.join(items)}]", st.lists(inner, max_size=3), separators
    )


def tables(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.dictionaries(KEYS, inner, max_size=3)
    return pairs.map(
        lambda pairs: "{ " + ", ".join(f"{key} = {value}" for key, value in pairs.items()) + " }"
    )


VALUES = st.recursive(SCALARS, lambda inner: st.one_of(lists(inner), tables(inner)), max_leaves=6)
DOTTED = st.lists(KEYS, min_size=1, max_size=3).map(" . ".join)
LINES = st.one_of(
    st.builds("{} = {} # {}".format, DOTTED, VALUES, st.just("]")),
    st.builds("[ {} ]".format, DOTTED),
    st.builds("[[{}]]".format, st.sampled_from(["a", "b", "a.b", "a . c"])),
    st.builds("[{}]".format, st.sampled_from(["a", "a.b", "a.b.c"])),
)


@settings(max_examples=200)
@given(st.lists(LINES, max_size=8))
def test_what_tomllib_finds_has_a_place_and_nothing_else_has(lines: list[str]) -> None:
    kept = ""
    for line in lines:
        try:
            tomllib.loads(kept + line + "\n")
        except tomllib.TOMLDecodeError:
            continue
        kept += line + "\n"
    assert set(places(kept)) == paths(tomllib.loads(kept))
