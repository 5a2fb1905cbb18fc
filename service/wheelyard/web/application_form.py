"""The form that hands in what an application depends on: whole requirements or lock files, sent or pasted."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from fastapi import Response
from fastapi.responses import RedirectResponse

from wheelyard.api.requests import while_connected
from wheelyard.domain.dependencies.files import InputKind, kind_of_file
from wheelyard.domain.dependencies.requirements_file import nested_path
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.prebuild import Prefer
from wheelyard.errors import CallerError, DependencyFileInvalidError, InvalidRequestError, ProjectError, RecipeError
from wheelyard.usecases.prebuild import PrebuildRequest
from wheelyard.usecases.read_dependencies import DependencyInput, project_beside
from wheelyard.web.context import PageContext, Upload
from wheelyard.web.projects import links_of
from wheelyard.web.rendering import Page
from wheelyard.web.request_form import form_page

_THE_FORM: Final = "the form"
"""Stands for a file that names those that were handed in, where there are several."""
_WITH_PROJECT: Final = frozenset({InputKind.UV_LOCK, InputKind.POETRY_LOCK})
_MOST_TARGETS: Final = 24
_LONGEST_NAME: Final = 300
_NESTED: Final = re.compile(
    r"^[ \t]{0,20}(?:-r|--requirement|-c|--constraint)[ \t=]{0,20}([^\s#][^\r\n#]{0,299})", re.MULTILINE
)
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, kw_only=True, slots=True)
class HandedFiles:
    """Texts by name, and the one to begin with."""

    files: Mapping[str, str]
    start: str


async def send_files(context: PageContext) -> Page | Response:
    """Ask for everything that the files come down to; what is wrong with them is shown beside the form."""
    try:
        handed = await asyncio.to_thread(_read, context)
        request = PrebuildRequest(
            given=DependencyInput(files=handed.files, start=handed.start, files_url=links_of(context).file("")),
            targets=_targets(context),
            prefer=_prefer(context.asked("prefer")),
            requested_by=context.token.actor,
            allow_skipped=context.asked("allow_skipped") == "yes",
            trace=context.trace,
        )
        prebuild = await while_connected(context.request, context.services.prebuilds.order(request))
    except (CallerError, RecipeError, ProjectError) as error:
        return await form_page(context, refused=error)
    return RedirectResponse(f"/requests/{prebuild.id}", status_code=303)


def _read(context: PageContext) -> HandedFiles:
    files = dict[str, str]()
    for upload in (*context.uploads, *_pasted(context)):
        name = _name_of(upload)
        if name in files:
            raise InvalidRequestError(problems=[f"{name}: handed in twice"])
        files[name] = _text_of(upload, name)
    if not files:
        raise InvalidRequestError(problems=["choose a file, or paste its text"])
    return _begin(files)


def _pasted(context: PageContext) -> list[Upload]:
    text = context.form.get("text", "")
    kind = context.asked("kind") or InputKind.REQUIREMENTS
    if kind not in set(InputKind):
        raise InvalidRequestError(problems=[f"kind: must be one of {', '.join(InputKind)}"])
    return [Upload(name=kind, content=text.encode())] if text.strip() else []


def _name_of(upload: Upload) -> str:
    """Return a file's own name: browsers do not say in which folder it is."""
    name = PurePosixPath(upload.name.replace("\\", "/")).name
    if not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
        raise InvalidRequestError(problems=["a file's name cannot be used: it is too long, or cannot be printed"])
    return name


def _text_of(upload: Upload, name: str) -> str:
    if upload.content.startswith(_UTF_16):
        problem = "it is UTF-16, as PowerShell writes it: save it as UTF-8"
        raise DependencyFileInvalidError(file=name, problems=[problem])
    try:
        text = upload.content.decode()
    except UnicodeDecodeError as error:
        raise DependencyFileInvalidError(file=name, problems=["it is not UTF-8 text"]) from error
    if "\0" in text:
        raise DependencyFileInvalidError(file=name, problems=["it has a NUL character, which no text has"])
    return text


def _begin(files: Mapping[str, str]) -> HandedFiles:
    """Find the file to begin with: the only one, a lock beside its project, or those that no other one names.

    What the files say is read elsewhere, apart and with bounds; here only the names behind ``-r`` and ``-c`` count.
    """
    if len(files) == 1:
        return HandedFiles(files=files, start=next(iter(files)))
    locks = [name for name in files if kind_of_file(name) in _WITH_PROJECT]
    if len(locks) == 1 and set(files) == {locks[0], project_beside(locks[0])}:
        return HandedFiles(files=files, start=locks[0])
    for name in files:
        if (kind := kind_of_file(name)) is not InputKind.REQUIREMENTS:
            problem = f"it is a {kind.value}, and only requirements files go together; hand in each by itself"
            raise DependencyFileInvalidError(file=name, problems=[problem])
    named = {
        nested_path(name, match[1].strip("\"' \t")) for name, text in files.items() for match in _NESTED.finditer(text)
    }
    first = [name for name in files if name not in named] or list(files)
    if len(first) == 1:
        return HandedFiles(files=files, start=first[0])
    return HandedFiles(files={_THE_FORM: _lines_for(first), **files}, start=_THE_FORM)


def _lines_for(names: Sequence[str]) -> str:
    return "".join(f"-r '{name}'\n" if " " in name else f"-r {name}\n" for name in names)


def _targets(context: PageContext) -> tuple[Target, ...]:
    defaults = context.services.defaults
    pythons = context.chosen("python") or (defaults.python,)
    platforms = context.chosen("platform") or (defaults.platform,)
    if len(pythons) * len(platforms) > _MOST_TARGETS:
        raise InvalidRequestError(problems=[f"targets: at most {_MOST_TARGETS} at once"])
    try:
        targets = [Target.parse(python=python, platform=platform) for python in pythons for platform in platforms]
    except ValueError as error:
        raise InvalidRequestError(problems=[f"target: {error}"]) from error
    for target in targets:
        context.services.request_build.suite_for(target)
    return tuple(targets)


def _prefer(text: str) -> Prefer:
    try:
        return Prefer(text) if text else Prefer.UPSTREAM
    except ValueError as error:
        raise InvalidRequestError(problems=[f"prefer: must be one of {', '.join(Prefer)}"]) from error
