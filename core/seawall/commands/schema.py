"""The JSON Schema of `seawall.toml`, with the tables of the plugins that are installed."""

import ast
import inspect
import textwrap
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from seawall.settings import CoreSettings

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema(models: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """Return the schema of a file with the settings of the core and a table for each of `models`."""
    every: list[type[BaseModel]] = [CoreSettings, *models.values()]
    made, shared = models_json_schema([(model, "validation") for model in every], schema_generator=_Described)
    definitions: dict[str, Any] = shared.get("$defs", {})
    core = definitions.pop(made[CoreSettings, "validation"]["$ref"].rpartition("/")[2])
    core["properties"]["plugins"] = {
        "description": core["properties"]["plugins"]["description"],
        "type": "array",
        "items": {"enum": list(models)},
    }
    return {
        "$schema": _DIALECT,
        "title": "Settings of Seawall",
        "type": "object",
        "properties": core["properties"]
        | {name: made[model, "validation"] for name, model in models.items()},
        "additionalProperties": False,
        "$defs": definitions,
    }


class _Described(GenerateJsonSchema):
    """Takes the docstrings below settings for their descriptions."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Return the schema of one model."""
        made = super().model_schema(schema)
        said: dict[str, str] = {}
        for model in reversed(schema["cls"].__mro__):
            said |= _docstrings(model)
        for name, setting in made.get("properties", {}).items():
            if name in said:
                setting.setdefault("description", said[name])
        return made

    def field_title_should_be_set(self, _: object) -> bool:
        """Return false: a title would repeat the name."""
        return False


def _docstrings(model: type[Any]) -> dict[str, str]:
    """Return the strings below the attributes of a class, by the names of these."""
    if not issubclass(model, BaseModel) or model is BaseModel:
        return {}
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    except (OSError, SyntaxError, TypeError):
        return {}  # its source is not there
    found = {}
    for one, next_one in pairwise(tree.body if isinstance(tree, ast.ClassDef) else []):
        match one, next_one:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = inspect.cleandoc(text).replace("\n", " ")
    return found
