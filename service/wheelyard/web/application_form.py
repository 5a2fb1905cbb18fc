"""The form that requests all dependencies of an application: uploaded or pasted requirements and lock files."""

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
"""Name of the file that includes all uploaded files, if there are several."""
_WITH_PROJECT: Final = frozenset({InputKind.UV_LOCK, InputKind.POETRY_LOCK})
_MOST_TARGETS: Final = 24
_LONGEST_NAME: Final = 300
_NESTED: Final = re.compile(
    r"^[ \t]{0,20}(?:-r|--requirement|-c|--constraint)[ \t=]{0,20}([^\s#][^\r\n#]{0,299})", re.MULTILINE
)
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadedFiles:
    """Texts by name, and the name of the main file."""

    files: Mapping[str, str]
    start: str


async def send_files(context: PageContext) -> Page | Response:
    """Request all dependencies that the files name; show an error on the form if they are invalid."""
    try:
        handed = await asyncio.to_thread(read_files, context)
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


def read_files(context: PageContext) -> UploadedFiles:
    """Return the files of a form, uploaded or pasted, and which is the main one; raise a CallerError."""
    files = dict[str, str]()
    for upload in (*context.uploads, *_pasted(context)):
        name = _name_of(upload)
        if name in files:
            raise InvalidRequestError(problems=[f"{name}: uploaded twice"])
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
    """Return the file's name; browsers do not send its folder."""
    name = PurePosixPath(upload.name.replace("\\", "/")).name
    if not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
        raise InvalidRequestError(problems=["a file name is too long or has unprintable characters"])
    return name


def _text_of(upload: Upload, name: str) -> str:
    if upload.content.startswith(_UTF_16):
        problem = "it is UTF-16 (PowerShell's default); save it as UTF-8"
        raise DependencyFileInvalidError(file=name, problems=[problem])
    try:
        text = upload.content.decode()
    except UnicodeDecodeError as error:
        raise DependencyFileInvalidError(file=name, problems=["it is not UTF-8 text"]) from error
    if "\0" in text:
        raise DependencyFileInvalidError(file=name, problems=["it has a NUL character, so it is not text"])
    return text


def _begin(files: Mapping[str, str]) -> UploadedFiles:
    """Find the main file: the only one, the lock file beside a pyproject.toml, or those that no other file includes.

    Only the names after ``-r`` and ``-c`` are read here. The parser processes read the rest, within limits.
    """
    if len(files) == 1:
        return UploadedFiles(files=files, start=next(iter(files)))
    locks = [name for name in files if kind_of_file(name) in _WITH_PROJECT]
    if len(locks) == 1 and set(files) == {locks[0], project_beside(locks[0])}:
        return UploadedFiles(files=files, start=locks[0])
    for name in files:
        if (kind := kind_of_file(name)) is not InputKind.REQUIREMENTS:
            problem = f"it is a {kind.value}; only requirements files can be uploaded together"
            raise DependencyFileInvalidError(file=name, problems=[problem])
    named = {
        nested_path(name, match[1].strip("\"' \t")) for name, text in files.items() for match in _NESTED.finditer(text)
    }
    first = [name for name in files if name not in named] or list(files)
    if len(first) == 1:
        return UploadedFiles(files=files, start=first[0])
    return UploadedFiles(files={_THE_FORM: _lines_for(first), **files}, start=_THE_FORM)


def _lines_for(names: Sequence[str]) -> str:
    return "".join(f"-r '{name}'\n" if " " in name else f"-r {name}\n" for name in names)


def _targets(context: PageContext) -> tuple[Target, ...]:
    defaults = context.services.defaults
    pythons = context.chosen("python") or (defaults.python,)
    platforms = context.chosen("platform") or (defaults.platform,)
    if len(pythons) * len(platforms) > _MOST_TARGETS:
        raise InvalidRequestError(problems=[f"targets: at most {_MOST_TARGETS}"])
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
