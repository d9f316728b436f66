"""Values that fit a JSON schema: for tool inputs and structured output."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from seawall_testkit.prose import word

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping


_DEEPEST = 8
"""Levels of a value below which only what must be there is: schemas may contain themselves."""


def value_for(schema: Any, rng: random.Random) -> Any:
    """A value that fits a simple `schema`: types, enum, const, properties, items, anyOf and local `$ref`.

    Raises:
        ValueError: it is no schema, or has no value that ends.
    """
    try:
        return _value(schema, rng, schema, 0)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"no value fits the schema: {type(error).__name__}: {error}") from error


def _value(schema: Any, rng: random.Random, root: Any, depth: int) -> Any:
    if schema is True:
        schema = {}
    if "$ref" in schema:
        return _value(_resolve(str(schema["$ref"]), root), rng, root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return rng.choice(list(schema["enum"]))
    for name in ("anyOf", "oneOf", "allOf"):
        if choices := schema.get(name):
            # the end of a list that is linked is null
            choice = choices[0] if depth < _DEEPEST or {"type": "null"} not in choices else {"type": "null"}
            return _value(choice, rng, root, depth + 1)
    return _typed(schema, rng, root, depth)


def _typed(schema: Mapping[str, Any], rng: random.Random, root: Any, depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0]
    match kind:
        case "object":
            properties = schema.get("properties", {})
            if depth >= _DEEPEST:
                properties = {name: properties[name] for name in schema.get("required", ())}
            return {name: _value(inner, rng, root, depth + 1) for name, inner in properties.items()}
        case "array":
            length = max(2 if depth < _DEEPEST else 0, int(schema.get("minItems", 0)))
            length = min(length, int(schema.get("maxItems", length)))
            return [_value(schema.get("items", {}), rng, root, depth + 1) for _ in range(length)]
        case "integer":
            least, most = _range(schema, 1, 9_999)
            return rng.randint(math.ceil(least), math.floor(most))
        case "number":
            least, most = _range(schema, 0, 1_000)
            return min(max(round(rng.uniform(least, most), 2), least), most)
        case "boolean":
            return rng.choice((True, False))
    return None if kind == "null" else " ".join(word(rng) for _ in range(rng.randint(2, 6)))


def _range(schema: Mapping[str, Any], least: float, most: float) -> tuple[float, float]:
    """The bounds of a number; one that the schema does not tell makes way for one that it tells."""
    least = schema.get("minimum", min(least, schema.get("maximum", least)))
    return least, schema.get("maximum", max(most, least))


def _resolve(reference: str, root: Any) -> Any:
    target = root
    for name in filter(None, reference.removeprefix("#").split("/")):
        target = target[name]
    return target
