"""An operator's own catalogue, laid over the built-in one. Must not read files.

What the own file says counts; what it does not say stays as it was. So one that adds a Python to a suite has two short
tables, and an upgrade still brings the rest of that suite.
"""

from collections.abc import Mapping
from typing import Any, Final

from wheelyard.domain.catalogue.catalogue import Catalogue, check_catalogue, read_tables
from wheelyard.errors import CatalogueInvalidError

_KIND: Final = "kind"
_DEFAULT_KIND: Final = "mmdebstrap"


def lay_over(shipped: str, own: str, *, source: str) -> Catalogue:
    """Read both catalogues as one.

    Args:
        shipped: text of the built-in one.
        own: text of the operator's.
        source: the operator's file, to name in the error.

    Raises:
        CatalogueInvalidError: with every problem.
    """
    tables = read_tables(own, source=source)
    if "schema" not in tables:
        raise CatalogueInvalidError(problems=["schema: it is missing; this is the format 'schema = 1'"], source=source)
    return check_catalogue(_merge(read_tables(shipped), tables), source=source)


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Put tables over tables, key by key; a list or a value replaces the whole one."""
    kind = below.get(_KIND, _DEFAULT_KIND)
    if above.get(_KIND, kind) != kind:
        return dict(above)  # An entry of another kind has other keys.
    return {**below, **{key: _put_over(below.get(key), value) for key, value in above.items()}}


def _put_over(below: object, above: object) -> object:
    return _merge(below, above) if isinstance(below, dict) and isinstance(above, dict) else above
