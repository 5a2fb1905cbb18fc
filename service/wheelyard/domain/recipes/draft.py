"""Draft a recipe from an sdist, with comments for its author."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final

from wheelyard.domain.healing.prediction import predict_needs
from wheelyard.domain.recipes.sdist_facts import (
    Finding,
    build_system,
    count_sources,
    find_extensions,
    find_mentions,
)
from wheelyard.domain.recipes.system_packages import (
    debian_package,
    is_system_library,
    package_of_header,
    package_of_program,
)
from wheelyard.domain.sdist.contents import SdistContents
from wheelyard.domain.sdist.need import Need

_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]")
_LONGEST: Final = 200
_MOST: Final = 40


def draft_recipe(contents: SdistContents, *, project: str, filename: str, schema: str) -> str:
    """Return a recipe with what is known and comments on what is not; ``schema`` is the format's JSON schema."""
    rule = list(_rule(contents))
    head = [f"#:schema {schema}", *_head(contents, project=project, filename=filename)]
    return "\n".join([*head, *(["", "[[rule]]", *rule] if rule else [])]) + "\n"


def needs_recipe(contents: SdistContents) -> bool:
    """Return whether the sdist needs something that a plain builder lacks, or has extensions to expect."""
    return bool(list(_rule(contents)))


def _head(contents: SdistContents, *, project: str, filename: str) -> Iterator[str]:
    backend, requires = build_system(contents)
    sources = ", ".join(f"{language} ({count})" for language, count in sorted(count_sources(contents).items()))
    yield "schema = 1"
    yield f"name = {json.dumps(project)}"
    yield ""
    yield _comment(f"Drafted from {filename}. Look at every line, then try it: wheelyard recipe test {project}")
    yield _comment(f"Build backend: {backend}; it requires: {', '.join(requires) or 'nothing'}")
    yield _comment(f"Sources: {sources or 'Python only'}")


def _rule(contents: SdistContents) -> Iterator[str]:
    needs, extensions = predict_needs(contents), find_extensions(contents)
    toolchains = [one for one in needs if one.toolchain]
    yield from _apt([one for one in needs if not one.toolchain], find_mentions(contents))
    if toolchains:
        yield _comment(f"{'; '.join(one.place for one in toolchains)}:")
        yield f"toolchains = {json.dumps([one.toolchain for one in toolchains])}"
    if extensions:
        yield _comment("What the build may leave out silently; take out those that are optional:")
        yield from _list("expect.extensions", extensions)
    elif set(count_sources(contents)) - {"Java"}:
        yield _comment('The sdist has sources of extensions: name the modules, such as expect.extensions = ["a._b"].')


def _apt(needs: Sequence[Need], mentions: Sequence[Finding]) -> Iterator[str]:
    known: dict[str, Finding] = {}
    for one in needs:
        if (package := _package_of_need(one)) is not None:
            remark = "" if one.is_required else ", may be optional"
            known.setdefault(package, Finding(name=package, place=f"{one.name} in {one.place}{remark}"))
    for mention in mentions:
        if is_system_library(mention.name) and (package := _package_of(mention.name)) is not None:
            known.setdefault(
                package, Finding(name=package, place=f"{mention.name} in {mention.place}, may be optional")
            )
    if known:
        yield _comment("Take out what the project can do without:")
        yield from _list("apt", [finding for _, finding in sorted(known.items())])
    for one in [one for one in needs if _package_of_need(one) is None][:_MOST]:
        file = one.wanted[0].name
        yield _comment(f"{one.place} looks for {file}: which Debian package is that? (apt-file search {file})")


def _package_of_need(need: Need) -> str | None:
    return next((package for one in need.wanted if (package := _package_of(one.name)) is not None), None)


def _package_of(name: str) -> str | None:
    header = package_of_header(name) if name.endswith(".h") else None
    return header or debian_package(name) or package_of_program(name)


def _list(key: str, findings: Sequence[Finding]) -> Iterator[str]:
    yield f"{key} = ["
    for one in findings[:_MOST]:
        yield f"  {json.dumps(one.name)}, {_comment(one.place)}"
    yield "]"


def _comment(text: str) -> str:
    """Return a comment line; text of an sdist may contain anything, including line breaks."""
    return "# " + _UNPRINTABLE.sub("?", text)[:_LONGEST]
