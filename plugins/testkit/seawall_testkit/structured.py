"""Values that fit a JSON schema: for tool inputs and structured output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seawall_testkit.prose import word

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping


def value_for(schema: Mapping[str, Any], rng: random.Random, root: Mapping[str, Any] | None = None) -> Any:
    """A value that fits a simple `schema`: types, enum, const, properties, items, anyOf and local `$ref`."""
    root = schema if root is None else root
    if "$ref" in schema:
        return value_for(_resolve(str(schema["$ref"]), root), rng, root)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return rng.choice(list(schema["enum"]))
    for name in ("anyOf", "oneOf", "allOf"):
        if schema.get(name):
            return value_for(schema[name][0], rng, root)
    return _typed(schema, rng, root)


def _typed(schema: Mapping[str, Any], rng: random.Random, root: Mapping[str, Any]) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0]
    match kind:
        case "object":
            return {name: value_for(inner, rng, root) for name, inner in schema.get("properties", {}).items()}
        case "array":
            length = max(2, int(schema.get("minItems", 0)))
            length = min(length, int(schema.get("maxItems", length)))
            return [value_for(schema.get("items", {}), rng, root) for _ in range(length)]
        case "integer":
            return rng.randint(int(schema.get("minimum", 1)), int(schema.get("maximum", 9_999)))
        case "number":
            return round(rng.uniform(float(schema.get("minimum", 0)), float(schema.get("maximum", 1_000))), 2)
        case "boolean":
            return rng.choice((True, False))
    return None if kind == "null" else " ".join(word(rng) for _ in range(rng.randint(2, 6)))


def _resolve(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    target: Any = root
    for name in reference.removeprefix("#/").split("/"):
        target = target[name]
    found: Mapping[str, Any] = target
    return found
