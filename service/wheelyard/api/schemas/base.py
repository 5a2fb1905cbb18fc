"""What all documents of the REST API have in common."""

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
"""One line that can be shown on terminals and in pages."""
NO_NUL: Final = r"^[^\x00]*$"
"""Any text that PostgreSQL can hold."""
ID_BEGINNING: Final = r"^[0-9a-fA-F]{1,8}(-?[0-9a-fA-F]{1,4}){0,3}(-?[0-9a-fA-F]{1,12})?$"
"""The beginning of an id, or all of it."""


class View(BaseModel):
    """What is answered: read from domain values whose fields have the same names.

    A field's docstring is its description. pydantic reads these off the source of each class that it makes
    (``use_attribute_docstrings``), a quarter of a command's time; here they are read for the OpenAPI document only.
    """

    model_config = ConfigDict(frozen=True, from_attributes=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> JsonSchemaValue:
        """Add the fields' descriptions to the class's JSON schema."""
        described = handler(schema)
        properties = handler.resolve_ref_schema(described).get("properties", {})
        for name, text in _docstrings_of(cls).items():
            properties.get(name, {}).setdefault("description", text)
        return described


class Body(BaseModel):
    """What a caller sends: unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _docstrings_of(view: type[View]) -> dict[str, str]:
    """Return the docstrings of a class's fields, those of its parents too."""
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
