"""The page that requests a wheel: the form with completion, then the plan, then the request."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import Response
from fastapi.responses import JSONResponse, RedirectResponse
from packaging.utils import canonicalize_name

from wheelyard.domain.builds.build import BuildOrder
from wheelyard.domain.builds.git_source import GitRequest, is_git_requirement
from wheelyard.domain.dependencies.files import InputKind
from wheelyard.errors import WheelyardError
from wheelyard.usecases.request_build import BuildRequest
from wheelyard.web.context import PageContext, recent_answer
from wheelyard.web.matrix import pythons_of
from wheelyard.web.rendering import Page

_SUGGESTED: Final = 100
_SHOWN_SUGGESTIONS: Final = 20
_PATIENCE_SECONDS: Final = 3.0
_REFUSED: Final = 422
_LONGEST: Final = 500
_REPOSITORY_EXAMPLE: Final = "https://git.example/acme/billing"
_PROJECT: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?[._-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestForm:
    """The fields of the form."""

    requirement: str
    """The requirement of a release; for a source in git, the project's name, which may be empty."""
    python: str
    platform: str
    git: str = ""
    """Address of a repository of git; empty for a release of the index."""
    ref: str = ""
    subdirectory: str = ""

    @classmethod
    def of(cls, context: PageContext) -> "RequestForm":
        """Read the form; missing fields get the default target."""
        defaults = context.services.defaults
        python, _, platform = context.asked("target").partition(" ")
        return cls(
            requirement=context.asked("requirement")[:_LONGEST],
            python=python or context.asked("python") or defaults.python,
            platform=platform or context.asked("platform") or defaults.platform,
            git=context.asked("git")[:_LONGEST],
            ref=context.asked("ref")[:_LONGEST],
            subdirectory=context.asked("subdirectory")[:_LONGEST],
        )

    @property
    def is_filled(self) -> bool:
        """Return whether something is asked for."""
        return bool(self.requirement or self.git)

    def request(self, context: PageContext) -> BuildRequest:
        """Return the build request; raise GitSourceInvalidError."""
        return BuildRequest(
            requirement=self.requirement,
            git=self._git_request(),
            python=self.python,
            platform=self.platform,
            requested_by=context.token.actor,
            trace=context.trace,
        )

    def _git_request(self) -> GitRequest | None:
        if is_git_requirement(self.requirement):
            return GitRequest.parse(self.requirement)
        if not self.git:
            return None
        return GitRequest.of(
            url=self.git,
            ref=self.ref or None,
            subdirectory=self.subdirectory or None,
            project=self.requirement.strip() or None,
        )


async def show_form(context: PageContext) -> Page:
    """Show the form; once a project is entered, also its releases and the plan."""
    return await form_page(context)


async def form_page(context: PageContext, *, refused: WheelyardError | None = None) -> Page:
    """Return the page with both forms.

    Args:
        context: The context of the request.
        refused: Why the files of an application were refused.
    """
    form = RequestForm.of(context)
    order, problem = await _plan(context, form)
    targets = context.services.request_build.targets()
    reachable = frozenset(context.services.request_build.reachable_targets())
    values = {
        "form": form,
        "repository_example": _REPOSITORY_EXAMPLE,
        "order": order,
        "problem": problem,
        "targets": targets,
        "reachable": reachable,
        "had": frozenset(target.python for target in reachable),
        "names": await _known_names(context),
        "versions": await _versions(context, order),
        "refused": refused,
        "application": context.form,
        "kinds": tuple(InputKind),
        "pythons": pythons_of(targets),
        "platforms": tuple(dict.fromkeys(target.platform for target in targets)),
        "chosen_pythons": context.chosen("python") or (context.services.defaults.python,),
        "chosen_platforms": context.chosen("platform") or (context.services.defaults.platform,),
    }
    status = _REFUSED if refused else 200
    return Page(template="request.html", title="Request a wheel", values=values, status=status)


async def _plan(context: PageContext, form: RequestForm) -> tuple[BuildOrder | None, WheelyardError | None]:
    """Return the build that a request would start, or the error that prevents it."""
    if not form.is_filled:
        return None, None
    try:
        return await context.services.request_build.decide(form.request(context)), None
    except WheelyardError as error:
        return None, error


async def _versions(context: PageContext, order: BuildOrder | None) -> tuple[str, ...]:
    if order is None or order.origin is not None:
        return ()
    versions = await context.services.request_build.versions(order.project)
    return tuple(str(version) for version in versions[:30])


async def _known_names(context: PageContext) -> Sequence[str]:
    """Return the projects that match the entered prefix, for browsers without JavaScript."""
    typed = _PROJECT.match(context.asked("requirement"))
    return await context.services.index.browse.known_projects(
        canonicalize_name(typed[0]) if typed else "", limit=_SUGGESTED
    )


async def suggest(context: PageContext) -> Response:
    """Return completions: project names, and after ``==`` the releases of a project, newest first."""
    typed = context.asked("q")[:200]
    name, exactly, version = typed.partition("==")
    found = _PROJECT.fullmatch(name.strip())
    if not found:
        known: Sequence[str] = ()
    elif exactly:
        known = await _releases(context, canonicalize_name(found[0]), version.strip())
    else:
        known = await context.services.index.browse.known_projects(
            canonicalize_name(found[0]), limit=_SHOWN_SUGGESTIONS
        )
    return JSONResponse({"suggestions": list(known)}, headers={"Cache-Control": "private, no-cache"})


async def _releases(context: PageContext, name: str, begins: str) -> Sequence[str]:
    async def ask() -> tuple[str, ...]:
        return tuple(map(str, await context.services.request_build.versions(name)))

    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            versions = await recent_answer(context.request, f"upstream {name}", ask, seconds=300)
    except (WheelyardError, TimeoutError):
        return ()
    return [f"{name}=={version}" for version in versions if version.startswith(begins)][:_SHOWN_SUGGESTIONS]


async def send_request(context: PageContext) -> Response:
    """Request the wheel and redirect to the new or joined build."""
    submission = await context.services.request_build(RequestForm.of(context).request(context))
    return RedirectResponse(f"/builds/{submission.build.id}", status_code=303)
