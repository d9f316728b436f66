from __future__ import annotations

import random

import pytest

from seawall_testkit.structured import value_for

TREE = {
    "$ref": "#/$defs/tree",
    "$defs": {
        "tree": {
            "type": "object",
            "properties": {
                "left": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]},
                "others": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
                "known": {"$ref": "#/$defs/tree"},
            },
            "required": ["left", "others"],
        }
    },
}


def value(schema):
    return value_for(schema, random.Random(0))


def test_a_schema_that_contains_itself_has_a_value_that_ends():
    tree = value(TREE)
    assert {"left", "others"} <= set(tree)
    assert len(tree["others"]) == 2


@pytest.mark.parametrize("kind", ["integer", "number"])
@pytest.mark.parametrize("bounds", [(20_000, None), (None, -5), (20_000, 20_001), (-3, -2), (None, None)])
def test_a_number_is_within_its_bounds_wherever_they_are(kind, bounds):
    least, most = bounds
    told = {
        name: bound for name, bound in zip(("minimum", "maximum"), bounds, strict=True) if bound is not None
    }
    found = value({"type": kind, **told})
    assert least is None or found >= least
    assert most is None or found <= most


def test_true_is_a_schema():
    assert isinstance(value({"type": "object", "properties": {"any": True}})["any"], str)
    assert isinstance(value({"type": "array", "items": True})[0], str)


@pytest.mark.parametrize(
    "schema",
    [
        None,
        3,
        "x",
        [],
        False,
        {"$ref": "#"},
        {"$ref": "#/a"},
        {"type": "integer", "minimum": 2, "maximum": 1},
    ],
)
def test_what_has_no_value_is_a_value_error(schema):
    with pytest.raises(ValueError, match="schema"):
        value(schema)
