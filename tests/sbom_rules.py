"""The rules of CycloneDX 1.6, package URLs and SPDX for a document, as others implement them."""

import json
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jsonschema import Draft7Validator
from license_expression import get_spdx_licensing
from packageurl import PackageURL
from referencing import Registry
from referencing.jsonschema import DRAFT7

_SCHEMAS: Final = ("bom-1.6", "spdx", "jsf-0.82")


def sbom_problems(document: dict[str, Any]) -> list[str]:
    """Return what is wrong with a document: by its schema, its references, its package URLs and its licenses."""
    problems = [f"{error.json_path}: {error.message}" for error in _validator().iter_errors(document)]
    components = list(_all_components(document.get("components", [])))
    references = [one["bom-ref"] for one in components] + [document["metadata"]["component"]["bom-ref"]]
    problems += [f"two components are {one}" for one in set(references) if references.count(one) > 1]
    for one in document.get("dependencies", []):
        problems += [f"nothing is {ref}" for ref in (one["ref"], *one.get("dependsOn", ())) if ref not in references]
    for one in (document["metadata"]["component"], *components):
        problems += _purl_problems(one["purl"]) if "purl" in one else []
        for license_ in one.get("licenses", ()):
            problems += _license_problems(license_["expression"]) if "expression" in license_ else []
    return problems


def _all_components(components: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [inner for one in components for inner in (one, *_all_components(one.get("components", [])))]


def _purl_problems(purl: str) -> list[str]:
    try:
        parsed = PackageURL.from_string(purl)
    except ValueError as error:
        return [f"{purl}: {error}"]
    return [] if parsed.name and PackageURL.from_string(parsed.to_string()) == parsed else [f"{purl} is ambiguous"]


def _license_problems(expression: str) -> list[str]:
    licensing = get_spdx_licensing()
    unknown = licensing.unknown_license_keys(expression, unique=True)
    problems = [f"{expression}: {one} is no license of SPDX" for one in unknown if not one.startswith("LicenseRef-")]
    licensing.parse(expression)
    return problems


@cache
def _validator() -> Draft7Validator:
    folder = files("cyclonedx") / "schema" / "_res"
    schemas = {name: json.loads((folder / f"{name}.SNAPSHOT.schema.json").read_text("utf-8")) for name in _SCHEMAS}
    registry = Registry().with_resources([(one["$id"], DRAFT7.create_resource(one)) for one in schemas.values()])
    return Draft7Validator(schemas["bom-1.6"], registry=registry)
