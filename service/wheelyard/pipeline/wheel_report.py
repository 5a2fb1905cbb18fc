"""Parse what containers report of a wheel, as untrusted data: every list and every text has a limit."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from wheelyard.domain.builds.build import GraftedLibrary, ThreadingProof
from wheelyard.domain.builds.components import Component, ComponentKind
from wheelyard.domain.builds.expectations import ExtensionSource, NativeContent
from wheelyard.domain.healing.signs import printable
from wheelyard.domain.packaging.policy_reason import PolicyNeed, PolicyReason
from wheelyard.errors import NetworkCall, Use, WheelLie

_Text = Annotated[str, Field(min_length=1, max_length=1000)]
_Packages = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]{0,100}$")], ...], Field(max_length=2000)
]
_Chain = Annotated[tuple[_Text, ...], Field(max_length=100)]
_Names = Annotated[tuple[_Text, ...], Field(max_length=20_000)]


class _Reported(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Source(_Reported):
    name: _Text | None
    where: _Text
    certain: bool
    required: bool


class _Call(_Reported):
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,253}$")]
    port: Annotated[int, Field(gt=0, lt=1 << 16)] | None


class _Graft(_Reported):
    soname: _Text
    path: _Text
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    origin: _Text | None
    origin_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None
    package: _Text | None
    package_version: _Text | None
    source_package: _Text | None
    needed_by: _Chain
    chain: _Chain
    beyond_policy: bool


_SBOM: Final = r"^[A-Za-z0-9._+!-]{1,300}\.dist-info/sboms/wheelyard(-[0-9]{1,4})?\.cdx\.json$"
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Path = Annotated[str, Field(pattern=r"^[A-Za-z0-9._+~/-]{1,400}$")]
_License = Annotated[str, Field(pattern=r"^[A-Za-z0-9 ().+:-]{1,8000}$")]


class _Component(_Reported):
    kind: Annotated[str, Field(pattern=r"^(grafted|static|crate)$")]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    version: Annotated[str, Field(max_length=200)]
    purl: Annotated[str, Field(pattern=r"^pkg:[!-~]{1,1000}$")]
    license: _License | None
    license_files: Annotated[tuple[_Path, ...], Field(max_length=100)]
    source: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9+._-]{0,100}$")] | None
    source_version: Annotated[str, Field(pattern=r"^[A-Za-z0-9.+:~-]{1,100}$")] | None
    sha256: _Sha256 | None
    files: Annotated[tuple[_Text, ...], Field(max_length=500)]


class _Crate(_Reported):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z.+-]{1,60}$")]
    sha256: _Sha256 | None
    license: _License | None
    license_files: Annotated[tuple[_Path, ...], Field(max_length=20)]


class _Linked(_Reported):
    archives: Annotated[tuple[Annotated[str, Field(pattern=r"^/[^\x00]{1,1000}$")], ...], Field(max_length=500)]
    crates: Annotated[tuple[_Crate, ...], Field(max_length=2000)]


class _Need(_Reported):
    file: _Text
    grafted: _Text | None
    library: _Text
    version: _Text | None
    symbols: Annotated[tuple[_Text, ...], Field(max_length=10)]
    chain: _Chain
    more_symbols: Annotated[int, Field(ge=0)]


class _Reason(_Reported):
    policy: _Text
    needs: Annotated[tuple[_Need, ...], Field(max_length=20)]
    more_needs: Annotated[int, Field(ge=0)]
    lower: _Text | None


class _Lie(_Reported):
    kind: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,50}$")]
    subject: Annotated[str, Field(max_length=200)]
    detail: Annotated[str, Field(max_length=500)]
    fatal: bool


class _Threading(_Reported):
    module: Annotated[str, Field(min_length=1, max_length=500)]
    off: bool
    threads: bool | None


_Lies = Annotated[tuple[_Lie, ...], Field(max_length=200)]


class _Report(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)

    is_pure: bool
    policy: _Text | None
    policy_reason: _Reason | None
    extensions: _Names
    native_files: _Names
    grafted: Annotated[tuple[_Graft, ...], Field(max_length=500)]
    lies: _Lies = ()
    components: Annotated[tuple[_Component, ...], Field(max_length=2500)] = ()
    sbom: Annotated[str, Field(pattern=_SBOM)] | None = None


class _SearchPath(_Reported):
    file: _Text
    before: Annotated[str, Field(max_length=1000)]
    after: Annotated[str, Field(max_length=1000)]


class _Changes(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)

    is_changed: bool
    search_paths: Annotated[tuple[_SearchPath, ...], Field(max_length=2000)] = ()
    dropped_libraries: Annotated[tuple[_Text, ...], Field(max_length=100)] = ()
    mended: _Lies = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchPath:
    """Where a native file has its libraries searched (RPATH), before and after a repair."""

    file: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BroughtChanges:
    """What the repair of a brought wheel changed beside its tags and its libraries."""

    is_changed: bool
    search_paths: tuple[SearchPath, ...]
    dropped_libraries: tuple[str, ...]
    """Libraries that it does not link to any more."""
    mended: tuple[WheelLie, ...]
    """The false claims that it had and that the changes correct."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RepairReport:
    """The report of a repair."""

    is_pure: bool
    policy: str | None
    policy_reason: PolicyReason | None
    native: NativeContent
    grafted: tuple[GraftedLibrary, ...]
    lies: tuple[WheelLie, ...] = ()
    """The false claims of the wheel that do not make it unusable."""
    components: tuple[Component, ...] = ()
    sbom: str | None = None
    """Path of its SBOM in the wheel."""


_LARGEST: Final = 1 << 63
_NOTHING_LINKED: Final[Mapping[str, Any]] = {"archives": [], "crates": []}
_USED_PACKAGES: Final = TypeAdapter(_Packages)
_SOURCES: Final = TypeAdapter(Annotated[tuple[_Source, ...], Field(max_length=200)])

_SONAME: Final = re.compile(r"[A-Za-z0-9_.+-]{1,200}")
_MOST_SONAMES: Final = 100
_PACKAGES: Final = TypeAdapter(
    Annotated[
        dict[
            Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]{1,200}$")],
            Annotated[str, Field(pattern=r"^[A-Za-z0-9+._-]{1,200}$")],
        ],
        Field(max_length=_MOST_SONAMES),
    ]
)
_LIES: Final = TypeAdapter(_Lies)
_THREADING: Final = TypeAdapter(Annotated[tuple[_Threading, ...], Field(max_length=2000)])
_CALLS: Final = TypeAdapter(Annotated[tuple[_Call, ...], Field(max_length=100)])


def read_threading(fields: Mapping[str, Any]) -> tuple[ThreadingProof, ...]:
    """Parse how extension modules get on with a free-threaded Python; raise ValueError."""
    found = _THREADING.validate_json(json.dumps(fields.get("gil", [])))
    return tuple(ThreadingProof(module=one.module, gil_off=one.off, survives_threads=one.threads) for one in found)


def read_network_calls(fields: Mapping[str, Any]) -> tuple[NetworkCall, ...]:
    """Parse the calls that the project's code made; raise ValueError."""
    calls = _CALLS.validate_json(json.dumps(fields.get("network", [])))
    return tuple(NetworkCall(**one.model_dump()) for one in calls)


def read_use(fields: Mapping[str, Any]) -> Use:
    """Parse a container's resource usage; ignore invalid values, because the failure must be reported all the same."""
    said = fields.get("use")
    if not isinstance(said, dict):
        return Use()
    return Use(**{one.name: _count(said.get(one.name)) for one in dataclass_fields(Use)})


def read_lies(fields: Mapping[str, Any]) -> tuple[WheelLie, ...]:
    """Parse the false claims of a failure's wheel; none if they are not lies as an honest agent reports them."""
    try:
        return _lies_of(_LIES.validate_json(json.dumps(fields.get("lies", []))))
    except ValueError:
        return ()


def _lies_of(lies: Sequence[_Lie]) -> tuple[WheelLie, ...]:
    """Return the lies as one line of printable text each, which names of members need not be."""
    return tuple(
        WheelLie(kind=one.kind, subject=printable(one.subject), detail=printable(one.detail, 500)) for one in lies
    )


def read_sonames(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return the sonames of a list; ignore anything else, because the rest must be reported all the same."""
    said = fields.get(name)
    sonames = (one for one in said[:_MOST_SONAMES] if isinstance(one, str)) if isinstance(said, list) else ()
    return tuple(dict.fromkeys(one for one in sonames if _SONAME.fullmatch(one)))


def read_packages(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return the system packages of libraries by their sonames; raise ValueError."""
    return _PACKAGES.validate_json(json.dumps(fields.get("packages", {})))


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST else None


def read_sources(fields: Mapping[str, Any]) -> tuple[ExtensionSource, ...]:
    """Parse the extension modules that an sdist declares; raise ValueError."""
    found = _SOURCES.validate_json(json.dumps(fields.get("sources")))
    return tuple(ExtensionSource(**one.model_dump()) for one in found)


def read_used_packages(fields: Mapping[str, Any]) -> frozenset[str]:
    """Parse the system packages whose headers were read; raise ValueError."""
    return frozenset(_USED_PACKAGES.validate_json(json.dumps(fields.get("used_packages", []))))


def read_repair_report(fields: Mapping[str, Any]) -> RepairReport:
    """Parse the report of a repair; raise ValueError."""
    report = _Report.model_validate_json(json.dumps(fields))
    return RepairReport(
        is_pure=report.is_pure,
        policy=report.policy,
        policy_reason=_reason_of(report),
        native=NativeContent(extensions=report.extensions, files=report.native_files),
        grafted=tuple(GraftedLibrary(**one.model_dump()) for one in report.grafted),
        lies=_lies_of(report.lies),
        components=tuple(
            Component(**{**one.model_dump(), "kind": ComponentKind(one.kind)}) for one in report.components
        ),
        sbom=report.sbom,
    )


def read_linked(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Parse what a build linked statically, as the repair container receives it; raise ValueError."""
    return _Linked.model_validate_json(json.dumps(fields.get("linked", _NOTHING_LINKED))).model_dump(mode="json")


def read_changes(fields: Mapping[str, Any]) -> BroughtChanges:
    """Parse what the repair of a brought wheel changed; raise ValueError."""
    said = _Changes.model_validate_json(json.dumps(fields))
    return BroughtChanges(
        is_changed=said.is_changed,
        search_paths=tuple(SearchPath(**one.model_dump()) for one in said.search_paths),
        dropped_libraries=said.dropped_libraries,
        mended=_lies_of(said.mended),
    )


def _reason_of(report: _Report) -> PolicyReason | None:
    reason = report.policy_reason
    if (reason.policy if reason else None) != report.policy:
        raise ValueError(f"it has the policy {report.policy}, and explains another")
    if reason is None:
        return None
    needs = tuple(PolicyNeed(**need.model_dump()) for need in reason.needs)
    return PolicyReason(policy=reason.policy, needs=needs, more_needs=reason.more_needs, lower=reason.lower)
