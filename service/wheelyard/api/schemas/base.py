"""Base classes and patterns of the API's models."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

PLAIN_TEXT: Final = r"^[^\x00-\x1f\x7f-\x9f]+$"
"""One line without control characters."""
NO_NUL: Final = r"^[^\x00]*$"
"""Text without NUL, which PostgreSQL cannot store."""
ID_BEGINNING: Final = r"^[0-9a-fA-F]{1,8}(-?[0-9a-fA-F]{1,4}){0,3}(-?[0-9a-fA-F]{1,12})?$"
"""A complete id or its beginning."""


class View(BaseModel):
    """A response, read from domain values with the same field names.

    A field's docstring is its description. pydantic's ``use_attribute_docstrings`` would parse the source of each class
    on import, a quarter of a command's time. Here docstrings are only read for the OpenAPI document.
    """

    model_config = ConfigDict(frozen=True, from_attributes=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> JsonSchemaValue:
        """Return the JSON schema with the fields' descriptions."""
        described = handler(schema)
        properties = handler.resolve_ref_schema(described).get("properties", {})
        for name, text in _docstrings_of(cls).items():
            properties.get(name, {}).setdefault("description", text)
        return described


class Body(BaseModel):
    """A request body or query; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _docstrings_of(view: type[View]) -> dict[str, str]:
    """Return the docstrings of a class's fields, including inherited ones."""
    found: dict[str, str] = {}
    for kind in reversed(view.__mro__):
        if issubclass(kind, View) and kind is not View:
            (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
            found |= dict(_docstrings_in(definition))
    return found


def _docstrings_in(definition: ast.stmt) -> Iterator[tuple[str, str]]:
    for field, text in pairwise(definition.body if isinstance(definition, ast.ClassDef) else ()):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(docstring))):
                yield name, inspect.cleandoc(docstring)
