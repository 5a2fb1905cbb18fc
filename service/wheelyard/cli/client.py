"""Client of the REST API: the only module of the command line that uses httpx.

Its methods raise ProblemError for a problem that the service reports, else ServerUnreachableError.
"""
# ruff: noqa: PLC0415  what a command needs is imported when it runs: building all models takes longer than most answers

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, Final, Self, TypeVar
from urllib.parse import quote

import httpx
from httpx_sse import EventSource, ServerSentEvent
from packaging.utils import canonicalize_name
from pydantic import BaseModel, ConfigDict, ValidationError

from wheelyard import __version__
from wheelyard.cli.connection import Connection, find_connection
from wheelyard.cli.problem import Problem, ProblemError
from wheelyard.domain.builds.build import Stage, Status
from wheelyard.domain.builds.queue import Priority
from wheelyard.errors import AmbiguousIdError, DownloadFailedError, NotFoundError, ServerUnreachableError


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class LogPiece(_Event):
    """More of the log, all of one origin."""

    text: str
    origin: str = "container"
    """"service" for a line of the service. An older service sends no origin, so its lines count as the container's."""
    stage: str | None = None
    at: datetime | None = None


class StatusChanged(_Event):
    """The build's present status; also sent at the start of a stream."""

    status: Status
    stage: Stage | None
    attempt: int
    """0 before the first attempt."""
    waits_for: tuple[str, ...] = ()
    """Releases that must be built before this build can go on."""


class Ended(_Event):
    """The build has ended, and so has the stream."""

    status: Status


BuildEvent = LogPiece | StatusChanged | Ended

EVENTS_BY_NAME: Final[Mapping[str, type[BuildEvent]]] = {"log": LogPiece, "status": StatusChanged, "end": Ended}


if TYPE_CHECKING:
    from io import BufferedReader

    from wheelyard.api.schemas.builds import BuildListView, BuildView, SubmittedBuildView, TargetView
    from wheelyard.api.schemas.campaigns import CampaignListView, CampaignView, NewCampaign
    from wheelyard.api.schemas.files import FileView
    from wheelyard.api.schemas.index import (
        ContentsView,
        DisownedView,
        IndexedWheelView,
        IndexReportView,
        ProjectListView,
        ProjectView,
        WheelListView,
    )
    from wheelyard.api.schemas.packages import FilePackagesView
    from wheelyard.api.schemas.recipes import (
        AdoptionView,
        RecipeHistoryView,
        RecipeListView,
        RecipeView,
        RevisionView,
    )
    from wheelyard.api.schemas.requests import (
        DependencyFiles,
        LockView,
        NewRequest,
        PlanView,
        RequestListView,
        RequestView,
        WebhookSecretView,
    )
    from wheelyard.api.schemas.sources import WheelSourcesView
    from wheelyard.api.schemas.statistics import QueueView, StatisticsView
    from wheelyard.api.schemas.workers import WorkerView
    from wheelyard.cli.local.packing import PackedSource
    from wheelyard.domain.prebuilds.sdists import NamedTargets

_TIMEOUT: Final = httpx.Timeout(30, connect=5)
# The service sends a comment every few seconds while nothing happens.
_STREAM_TIMEOUT: Final = httpx.Timeout(60, connect=5)
# The service resolves the requirements of each target before it answers.
_RESOLVE_TIMEOUT: Final = httpx.Timeout(900, connect=5)
_RETRY_SECONDS: Final = 1.0
_MAX_RETRIES: Final = 30
_ID_BEGINNING: Final = re.compile(r"[0-9a-fA-F][0-9a-fA-F-]{3,35}\Z")
"""A shorter text can only be a project's name."""
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
_NAME_PARTS: Final = 2
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\Z")
_STORED_BYTES: Final = {"Accept-Encoding": "identity"}
"""Headers that ask for a file as it is stored, which its hash is of: some servers label a .tar.gz as gzip-encoded, and
a client would decode it (https://github.com/pypa/pip/issues/1419)."""
_ID_LENGTH: Final = 36
_SHOWN_IDS: Final = 5
_PROBLEM_EVENT: Final = "problem"

View = TypeVar("View", bound=BaseModel)


def open_client(url: str | None) -> WheelyardClient:
    """Return a client of the service that the command line, the environment or the state directory names."""
    return WheelyardClient(find_connection(url))


def _strangers() -> httpx.Client:
    """Return a client of hosts that are not the service."""
    headers = {"User-Agent": f"wheelyard/{__version__}"}
    return httpx.Client(
        headers=headers, timeout=_STREAM_TIMEOUT, verify=ssl.create_default_context(), follow_redirects=True
    )


class WheelyardClient:
    """A client of one service."""

    def __init__(
        self,
        connection: Connection,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = connection.url
        self._sleep = sleep
        headers = {"User-Agent": f"wheelyard/{__version__}"}
        if connection.token:
            headers["Authorization"] = f"Bearer {connection.token}"
        with self._reaching():
            self._http = httpx.Client(
                base_url=connection.url,
                headers=headers,
                timeout=_TIMEOUT,
                transport=transport,
                verify=_tls_of(connection.url),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def submit(
        self,
        requirement: str,
        *,
        python: str | None = None,
        platform: str | None = None,
        priority: Priority | None = None,
    ) -> SubmittedBuildView:
        """Request a wheel of a release, or of a source in git, and return its build; raise GitSourceInvalidError."""
        from wheelyard.api.schemas.builds import SubmittedBuildView
        from wheelyard.domain.builds.git_source import is_git_requirement

        what = _git_source(requirement) if is_git_requirement(requirement) else {"requirement": requirement}
        wanted = {**what, "python": python, "platform": platform, "priority": priority}
        body = {name: value for name, value in wanted.items() if value is not None}
        return self._parse(SubmittedBuildView, self._document("POST", "/v1/builds", json=body))

    def submit_local(
        self,
        source: PackedSource,
        *,
        project: str | None = None,
        python: str | None = None,
        platform: str | None = None,
        priority: Priority | None = None,
    ) -> SubmittedBuildView:
        """Send a folder or an sdist, and return its build."""
        from wheelyard.api.schemas.builds import SubmittedBuildView

        sha256 = hashlib.file_digest(source.file, "sha256").hexdigest()
        source.file.seek(0)
        about = {
            "kind": source.kind,
            "name": source.name,
            "sha256": sha256,
            "commit": source.commit,
            "tag": source.tag,
            "project": project,
            "python": python,
            "platform": platform,
            "priority": priority,
        }
        params = {name: value for name, value in about.items() if value is not None}
        with self._reaching():
            response = self._http.post("/v1/builds/local", params=params, content=source.file, timeout=_RESOLVE_TIMEOUT)
        if not response.is_success:
            raise _problem_of(response)
        return self._parse(SubmittedBuildView, _json_of(response))

    def get_provenance(self, filename: str) -> bytes | None:
        """Return the provenance object of a file; None if there is none."""
        parts = filename.removesuffix(".whl").removesuffix(".tar.gz").removesuffix(".zip").split("-")
        if len(parts) < _NAME_PARTS:
            return None
        project, version = parts[:2] if filename.endswith(".whl") else ("-".join(parts[:-1]), parts[-1])
        path = "/".join(quote(part, safe="") for part in (project, version, filename))
        return self._bytes(f"/integrity/{path}/provenance")

    def get_revoked(self) -> bytes | None:
        """Return the lists of revoked signing certificates; None if nothing was ever signed there."""
        return self._bytes("/integrity/revoked.pem") or None

    def find_file(self, project: str, sha256: str) -> str | None:
        """Return the name of a project's file with this digest, as the index lists it; None if there is none.

        The name is a plain one: it leads to no other folder.
        """
        page = self._bytes(
            f"/simple/{quote(canonicalize_name(project), safe='')}/", accept="application/vnd.pypi.simple.v1+json"
        )
        if page is None:
            return None
        try:
            names = [file["filename"] for file in json.loads(page)["files"] if file["hashes"].get("sha256") == sha256]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ServerUnreachableError(url=self.url, reason="the server is not a Wheelyard service") from error
        return next((name for name in names if isinstance(name, str) and _FILE_NAME.fullmatch(name)), None)

    def _bytes(self, path: str, *, accept: str = "*/*") -> bytes | None:
        with self._reaching():
            response = self._http.get(path, headers={"Accept": accept})
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if not response.is_success:
            raise _problem_of(response)
        return response.content

    def build(self, build_id: str) -> BuildView:
        """Read one build."""
        from wheelyard.api.schemas.builds import BuildView

        return self._parse(BuildView, self._document("GET", f"/v1/builds/{build_id}"))

    def builds(
        self,
        *,
        project: str | None = None,
        status: Status | None = None,
        id_beginning: str | None = None,
        limit: int | None = None,
    ) -> BuildListView:
        """Return builds, newest first."""
        from wheelyard.api.schemas.builds import BuildListView

        wanted = {"project": project, "status": status, "id": id_beginning, "limit": limit}
        params = {name: str(value) for name, value in wanted.items() if value is not None}
        return self._parse(BuildListView, self._document("GET", "/v1/builds", params=params))

    def find_build(self, wanted: str, *, or_project: bool = False) -> str:
        """Return the id of the build with this unique beginning, or of the newest build of a project.

        Raises:
            NotFoundError: No build matches.
            AmbiguousIdError: Several ids have this beginning.
        """
        if len(wanted) == _ID_LENGTH:
            return wanted
        fitting = self.builds(id_beginning=wanted, limit=_SHOWN_IDS).builds if _ID_BEGINNING.match(wanted) else ()
        if not fitting and or_project and _NAME.match(wanted):
            fitting = self.builds(project=wanted, limit=1).builds
        return _the_one([build.id for build in fitting], kind="build", wanted=wanted)

    def find_request(self, wanted: str) -> str:
        """Return the id of the request with this unique beginning; raise NotFoundError or AmbiguousIdError."""
        if len(wanted) == _ID_LENGTH:
            return wanted
        fitting = self.requests(state=None, id_beginning=wanted, limit=_SHOWN_IDS).requests
        return _the_one([request.id for request in fitting], kind="request", wanted=wanted)

    def cancel(self, build_id: str) -> BuildView:
        """Cancel a build and return it."""
        from wheelyard.api.schemas.builds import BuildView

        return self._parse(BuildView, self._document("POST", f"/v1/builds/{build_id}/cancel"))

    def retry(self, build_id: str) -> SubmittedBuildView:
        """Retry a build and return it."""
        from wheelyard.api.schemas.builds import SubmittedBuildView

        return self._parse(SubmittedBuildView, self._document("POST", f"/v1/builds/{build_id}/retry"))

    def workers(self) -> tuple[WorkerView, ...]:
        """Return the workers."""
        from wheelyard.api.schemas.workers import WorkerView

        listed = self._document("GET", "/v1/workers")
        return tuple(self._parse(WorkerView, worker) for worker in (listed if isinstance(listed, list) else [listed]))

    def wheels(self, *, project: str | None, standing: str | None, limit: int) -> WheelListView:
        """Return published wheels, newest first."""
        from wheelyard.api.schemas.index import WheelListView

        wanted = {"project": project, "standing": standing, "limit": limit}
        params = {name: str(value) for name, value in wanted.items() if value is not None}
        return self._parse(WheelListView, self._document("GET", "/v1/wheels", params=params))

    def wheel(self, filename: str) -> IndexedWheelView:
        """Return a published wheel."""
        from wheelyard.api.schemas.index import IndexedWheelView, wheel_path

        return self._parse(IndexedWheelView, self._document("GET", wheel_path(filename)))

    def contents(self, filename: str) -> ContentsView:
        """Return the files in a wheel."""
        from wheelyard.api.schemas.index import ContentsView, wheel_path

        return self._parse(ContentsView, self._document("GET", f"{wheel_path(filename)}/contents"))

    def sources(self, filename: str) -> WheelSourcesView:
        """Return what a wheel was made from."""
        from wheelyard.api.schemas.index import wheel_path
        from wheelyard.api.schemas.sources import WheelSourcesView

        return self._parse(WheelSourcesView, self._document("GET", f"{wheel_path(filename)}/sources"))

    def download(self, url: str, target: BinaryIO, *, limit_bytes: int) -> str:
        """Write a file of the service or of any other host to a target, and return its sha256 in hexadecimal.

        Only the service gets the token.

        Raises:
            DownloadFailedError: The host does not answer, does not have it, or sends more than the limit.
        """
        own = url.startswith(f"{self.url.rstrip('/')}/")
        digest, received = hashlib.sha256(), 0
        try:
            with contextlib.ExitStack() as stack:
                client = self._http if own else stack.enter_context(_strangers())
                response = stack.enter_context(
                    client.stream("GET", url, timeout=_STREAM_TIMEOUT, headers=_STORED_BYTES)
                )
                if not response.is_success:
                    raise DownloadFailedError(what=url, tried=[f"HTTP status {response.status_code}"])
                for block in response.iter_raw():
                    received += len(block)
                    if received > limit_bytes:
                        raise DownloadFailedError(what=url, tried=[f"it is larger than {limit_bytes} bytes"])
                    digest.update(block)
                    target.write(block)
        except httpx.HTTPError as error:
            raise DownloadFailedError(what=url, tried=[str(error) or type(error).__name__]) from error
        return digest.hexdigest()

    def push(self, file: BufferedReader, filename: str, *, targets: NamedTargets) -> FileView:
        """Upload a file, without waiting for the end of its test. The targets are for an sdist."""
        from wheelyard.api.schemas.files import FileView

        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        params: dict[str, str | list[str]] = {"filename": filename, "sha256": sha256, "wait": "false"}
        params |= {"pythons": list(targets.pythons), "platforms": list(targets.platforms)}
        with self._reaching():
            response = self._http.post("/v1/files", params=params, content=file, timeout=_RESOLVE_TIMEOUT)
        if not response.is_success:
            raise _problem_of(response)
        return self._parse(FileView, _json_of(response))

    def uploaded(self, filename: str) -> FileView:
        """Return what became of an uploaded file."""
        from wheelyard.api.schemas.files import FileView, file_path

        return self._parse(FileView, self._document("GET", file_path(filename)))

    def projects(self, *, prefix: str, limit: int) -> ProjectListView:
        """Return projects, by name."""
        from wheelyard.api.schemas.index import ProjectListView

        params = {"limit": str(limit)} | ({"prefix": prefix} if prefix else {})
        return self._parse(ProjectListView, self._document("GET", "/v1/projects", params=params))

    def project(self, name: str) -> ProjectView:
        """Return a project with its releases."""
        from wheelyard.api.schemas.index import ProjectView

        return self._parse(ProjectView, self._document("GET", f"/v1/projects/{quote(name, safe='')}"))

    def recipes(self) -> RecipeListView:
        """Return the recipes."""
        from wheelyard.api.schemas.recipes import RecipeListView

        return self._parse(RecipeListView, self._document("GET", "/v1/recipes"))

    def recipe(self, name: str) -> RecipeView:
        """Return a recipe."""
        from wheelyard.api.schemas.recipes import RecipeView

        return self._parse(RecipeView, self._document("GET", _recipe_path(name)))

    def put_recipe(self, name: str, text: str, *, revision: int | None) -> RecipeView:
        """Store a recipe in the service's database and return it."""
        from wheelyard.api.schemas.recipes import RecipeView

        document = self._document("PUT", _recipe_path(name), params=_seen(revision), json={"text": text})
        return self._parse(RecipeView, document)

    def remove_recipe(self, name: str, *, revision: int | None) -> RevisionView:
        """Remove a recipe from the service's database and return the removal."""
        from wheelyard.api.schemas.recipes import RevisionView

        return self._parse(RevisionView, self._document("DELETE", _recipe_path(name), params=_seen(revision)))

    def recipe_history(self, name: str, *, before: int | None = None, limit: int) -> RecipeHistoryView:
        """Return the revisions of a recipe in the service's database, newest first."""
        from wheelyard.api.schemas.recipes import RecipeHistoryView

        params = {"limit": str(limit)} | ({} if before is None else {"before": str(before)})
        return self._parse(RecipeHistoryView, self._document("GET", f"{_recipe_path(name)}/history", params=params))

    def adopt_recipe(self, name: str, *, build_id: str | None) -> AdoptionView:
        """Adopt the recipe of a healed build, the project's newest if none is named."""
        from wheelyard.api.schemas.recipes import AdoptionView

        body = {"build": build_id}
        return self._parse(AdoptionView, self._document("POST", f"{_recipe_path(name)}/adopt", json=body))

    def packages(self, suite: str, file: str, *, architecture: str | None) -> FilePackagesView:
        """Return the packages of a suite that hold a file."""
        from wheelyard.api.schemas.packages import FilePackagesView

        params = {"file": file} | ({"architecture": architecture} if architecture else {})
        return self._parse(
            FilePackagesView, self._document("GET", f"/v1/suites/{quote(suite, safe='')}/packages", params=params)
        )

    def queue(self, *, limit: int) -> QueueView:
        """Return the queue: running builds, and queued ones in their order."""
        from wheelyard.api.schemas.statistics import QueueView

        return self._parse(QueueView, self._document("GET", "/v1/queue", params={"limit": str(limit)}))

    def statistics(self, *, days: int) -> StatisticsView:
        """Return the statistics of the last days."""
        from wheelyard.api.schemas.statistics import StatisticsView

        return self._parse(StatisticsView, self._document("GET", "/v1/statistics", params={"days": str(days)}))

    def requests(self, *, state: str | None, id_beginning: str | None = None, limit: int) -> RequestListView:
        """Return requests for applications, newest first."""
        from wheelyard.api.schemas.requests import RequestListView

        wanted = {"state": state, "id": id_beginning, "limit": limit}
        params = {name: str(value) for name, value in wanted.items() if value is not None}
        return self._parse(RequestListView, self._document("GET", "/v1/requests", params=params))

    def yank(self, filename: str, *, reason: str) -> IndexedWheelView:
        """Yank a wheel and return it."""
        from wheelyard.api.schemas.index import IndexedWheelView, wheel_path

        document = self._document("POST", f"{wheel_path(filename)}/yank", json={"reason": reason})
        return self._parse(IndexedWheelView, document)

    def unyank(self, filename: str) -> IndexedWheelView:
        """Undo the yank of a wheel and return it."""
        from wheelyard.api.schemas.index import IndexedWheelView, wheel_path

        return self._parse(IndexedWheelView, self._document("POST", f"{wheel_path(filename)}/unyank"))

    def promote(self, filename: str) -> IndexedWheelView:
        """Publish a staged wheel on the production index and return it."""
        from wheelyard.api.schemas.index import IndexedWheelView, wheel_path

        return self._parse(IndexedWheelView, self._document("POST", f"{wheel_path(filename)}/promote"))

    def delete(self, filename: str, *, confirm: str) -> IndexedWheelView:
        """Delete a wheel for ever and return its record."""
        from wheelyard.api.schemas.index import IndexedWheelView, wheel_path

        document = self._document("DELETE", wheel_path(filename), params={"confirm": confirm})
        return self._parse(IndexedWheelView, document)

    def disown(self, project: str, *, confirm: str) -> DisownedView:
        """Let a project's name be asked of upstream again; return the sdists that had made it own."""
        from wheelyard.api.schemas.index import DisownedView

        path = f"/v1/projects/{quote(project, safe='')}/ownership"
        return self._parse(DisownedView, self._document("DELETE", path, params={"confirm": confirm}))

    def check_index(self, *, mend: bool) -> IndexReportView:
        """Compare devpi with the listed wheels and return the differences."""
        from wheelyard.api.schemas.index import IndexReportView

        return self._parse(IndexReportView, self._document("POST", "/v1/index/check", json={"mend": mend}))

    def plan_request(self, wanted: NewRequest) -> PlanView:
        """Return what a request for an application would do."""
        from wheelyard.api.schemas.requests import PlanView

        return self._parse(PlanView, self._resolved("/v1/requests/plan", wanted))

    def submit_request(self, wanted: NewRequest) -> RequestView:
        """Request every dependency of an application and return the request."""
        from wheelyard.api.schemas.requests import RequestView

        return self._parse(RequestView, self._resolved("/v1/requests", wanted))

    def request(self, request_id: str) -> RequestView:
        """Return a request for an application."""
        from wheelyard.api.schemas.requests import RequestView

        return self._parse(RequestView, self._document("GET", f"/v1/requests/{request_id}"))

    def begin_campaign(self, wanted: NewCampaign) -> CampaignView:
        """Begin a campaign, or join the equal one that is open, and return it."""
        from wheelyard.api.schemas.campaigns import CampaignView

        return self._parse(CampaignView, self._resolved("/v1/campaigns", wanted))

    def campaign(self, campaign_id: str) -> CampaignView:
        """Return a campaign."""
        from wheelyard.api.schemas.campaigns import CampaignView

        return self._parse(CampaignView, self._document("GET", f"/v1/campaigns/{campaign_id}"))

    def campaigns(self, *, state: str | None, id_beginning: str | None = None, limit: int) -> CampaignListView:
        """Return campaigns, newest first."""
        from wheelyard.api.schemas.campaigns import CampaignListView

        wanted = {"state": state, "id": id_beginning, "limit": limit}
        params = {name: str(value) for name, value in wanted.items() if value is not None}
        return self._parse(CampaignListView, self._document("GET", "/v1/campaigns", params=params))

    def stop_campaign(self, campaign_id: str) -> CampaignView:
        """Stop a campaign and return it."""
        from wheelyard.api.schemas.campaigns import CampaignView

        return self._parse(CampaignView, self._document("POST", f"/v1/campaigns/{campaign_id}/stop"))

    def find_campaign(self, wanted: str) -> str:
        """Return the id of the campaign with this unique beginning; raise NotFoundError or AmbiguousIdError."""
        if len(wanted) == _ID_LENGTH:
            return wanted
        fitting = self.campaigns(state=None, id_beginning=wanted, limit=_SHOWN_IDS).campaigns
        return _the_one([campaign.id for campaign in fitting], kind="campaign", wanted=wanted)

    def cancel_request(self, request_id: str) -> RequestView:
        """Cancel a request and return it."""
        from wheelyard.api.schemas.requests import RequestView

        return self._parse(RequestView, self._document("POST", f"/v1/requests/{request_id}/cancel"))

    def webhook_secret(self, url: str) -> WebhookSecretView:
        """Return the secret of a receiver of webhooks."""
        from wheelyard.api.schemas.requests import WebhookSecretView

        return self._parse(WebhookSecretView, self._document("POST", "/v1/requests/webhook-secret", json={"url": url}))

    def lock_request(self, request_id: str, lock: DependencyFiles) -> LockView:
        """Return the lock file that installs from our index, made from the given one."""
        from wheelyard.api.schemas.requests import LockView

        body = lock.model_dump(mode="json", include={"file", "files", "kind"})
        return self._parse(LockView, self._document("POST", f"/v1/requests/{request_id}/lock", json=body))

    def follow_request(self, request_id: str) -> Iterator[RequestView]:
        """Yield a request whenever it changes, until it ends; reconnect when a connection is lost.

        Raises:
            ServerUnreachableError: The service was unreachable for half a minute.
        """
        from wheelyard.api.schemas.requests import RequestView

        failures = 0
        while True:
            try:
                for event in self._stream(f"/v1/requests/{request_id}/events", ""):
                    failures = 0
                    if event.event == "update":
                        yield (view := self._parse(RequestView, event.data))
                        if view.finished_at is not None:
                            return
            except ServerUnreachableError:
                if failures >= _MAX_RETRIES:
                    raise
            failures += 1
            self._sleep(_RETRY_SECONDS)

    def targets(self) -> tuple[TargetView, ...]:
        """Return the targets that wheels can be requested for."""
        from wheelyard.api.schemas.builds import TargetView

        listed = self._document("GET", "/v1/targets")
        return tuple(self._parse(TargetView, target) for target in (listed if isinstance(listed, list) else [listed]))

    def readiness(self) -> tuple[bool, object]:
        """Return whether the service is ready, and its report about its parts."""
        with self._reaching():
            response = self._http.get("/readyz")
        return response.is_success, _json_of(response)

    def log(self, build_id: str) -> Iterator[str]:
        """Yield the present log, in pieces."""
        request = self._http.build_request("GET", f"/v1/builds/{build_id}/log", headers={"Accept": "text/plain"})
        with self._reaching(), self._open(request) as response:
            yield from response.iter_text()

    def follow(self, build_id: str) -> Iterator[BuildEvent]:
        """Yield a build's events until it ends; resume a lost connection where it broke off.

        Raises:
            ServerUnreachableError: The service was unreachable for half a minute.
        """
        failures, last_id = 0, ""
        while True:
            try:
                for event in self._stream(f"/v1/builds/{build_id}/log", last_id):
                    failures, last_id = 0, event.id or last_id
                    if event.event in EVENTS_BY_NAME:
                        yield (news := self._parse(EVENTS_BY_NAME[event.event], event.data))
                        if isinstance(news, Ended):
                            return
            except ServerUnreachableError:
                if failures >= _MAX_RETRIES:
                    raise
            failures += 1
            self._sleep(_RETRY_SECONDS)

    def _stream(self, path: str, last_id: str) -> Iterator[ServerSentEvent]:
        """Yield the events of one connection; raise ServerUnreachableError for a problem that ends the stream."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        request = self._http.build_request("GET", path, headers=headers, timeout=_STREAM_TIMEOUT)
        with self._reaching(), self._open(request) as response:
            for event in EventSource(response).iter_sse():
                if event.event == _PROBLEM_EVENT:
                    raise ServerUnreachableError(url=self.url, reason=event.data)
                # httpx-sse also yields events for "retry" and comments. By the standard, an event has data:
                # https://html.spec.whatwg.org/server-sent-events.html
                if event.data:
                    yield event

    @contextmanager
    def _open(self, request: httpx.Request) -> Iterator[httpx.Response]:
        response = self._http.send(request, stream=True)
        try:
            if not response.is_success:
                response.read()
                raise _problem_of(response)
            yield response
        finally:
            response.close()

    def _resolved(self, path: str, wanted: NewRequest | NewCampaign) -> object:
        with self._reaching():
            response = self._http.post(path, json=wanted.model_dump(mode="json"), timeout=_RESOLVE_TIMEOUT)
        if not response.is_success:
            raise _problem_of(response)
        return _json_of(response)

    def _document(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, json: object = None
    ) -> object:
        with self._reaching():
            response = self._http.request(method, path, params=params, json=json)
        if not response.is_success:
            raise _problem_of(response)
        return _json_of(response)

    def _parse(self, view: type[View], document: object) -> View:
        """Return the view that a JSON document describes, given as text or parsed."""
        try:
            return view.model_validate_json(document) if isinstance(document, str) else view.model_validate(document)
        except ValidationError as error:
            raise ServerUnreachableError(url=self.url, reason="the server is not a Wheelyard service") from error

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ServerUnreachableError(url=self.url, reason=str(error).rstrip(".") or type(error).__name__) from error


def _recipe_path(name: str) -> str:
    return f"/v1/recipes/{quote(name, safe='')}"


def _seen(revision: int | None) -> dict[str, str]:
    return {} if revision is None else {"revision": str(revision)}


def _git_source(text: str) -> dict[str, object]:
    """Return the source in git that a text means, as the API takes it."""
    from wheelyard.domain.builds.git_source import GitRequest

    wanted = GitRequest.parse(text)
    source = {"git": wanted.url, "ref": wanted.ref, "subdirectory": wanted.subdirectory, "project": wanted.project}
    return {"source": {name: value for name, value in source.items() if value}}


def _the_one(ids: Sequence[str], *, kind: str, wanted: str) -> str:
    if not ids:
        raise NotFoundError(kind=kind, name=wanted)
    if len(ids) > 1:
        raise AmbiguousIdError(kind=kind, beginning=wanted, ids=ids)
    return ids[0]


def _tls_of(url: str) -> ssl.SSLContext:
    """Return how the service's certificate is checked; without TLS an empty context, which is quick to make."""
    return ssl.create_default_context() if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _problem_of(response: httpx.Response) -> ProblemError:
    problem = Problem.of_document(_json_of(response), status=response.status_code, reason=response.reason_phrase)
    return ProblemError(problem)


def _json_of(response: httpx.Response) -> object:
    try:
        return response.json()
    except ValueError:
        return None
