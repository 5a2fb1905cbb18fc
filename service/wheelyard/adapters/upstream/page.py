"""Parse a project's page of a Simple API (PEP 503 and 691)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast
from urllib.parse import urlsplit

from packaging.utils import (
    NormalizedName,
    canonicalize_name,
)
from packaging.version import Version
from pypi_simple import DistributionPackage, ProjectPage, RepositoryPage, UnsupportedRepoVersionError

from wheelyard.adapters.upstream.http import without_password
from wheelyard.domain.packaging.release import IndexFile, ProjectFiles
from wheelyard.domain.untrusted.file_names import MAX_NAME, find_wheel_name
from wheelyard.domain.untrusted.json_text import read_json
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import find_version

_JSON: Final = "application/vnd.pypi.simple.v1+json"
_HTML: Final = ("application/vnd.pypi.simple.v1+html", "text/html")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SCHEMES: Final = ("https", "http")
_REASON_LENGTH: Final = 200
MOST_FILES: Final = 50_000


@dataclass(frozen=True, kw_only=True, slots=True)
class PageBody:
    """The index's answer."""

    url: str
    """Final address of the answer; relative addresses refer to it."""
    content_type: str
    charset: str | None = None
    content: bytes


class UnreadablePageError(RefusedTextError):
    """The answer is not a page of a Simple API; its text says why. The caller turns it into one of our errors."""


def read_page(project: NormalizedName, body: PageBody) -> ProjectFiles:
    """Return the sdists and wheels that can be checked; raise UnreadablePageError.

    Left out are files without a sha256 (nothing unchecked is built), files of other kinds or other projects, and
    versions that PEP 440 does not allow, which pip ignores too. An sdist in a format older than PEP 527 is kept, so
    that the caller can report it.
    """
    try:
        packages = _parse(project, body)
    except (ValueError, UnsupportedRepoVersionError) as error:
        reason = " ".join(str(error).split())[:_REASON_LENGTH]
        raise UnreadablePageError(f"its page of {project} cannot be read, {reason}") from error
    files = (_read_file(project, package) for package in packages)
    return ProjectFiles(project=project, files=tuple(file for file in files if file is not None))


def _parse(project: NormalizedName, body: PageBody) -> list[DistributionPackage]:
    """Parse a page. Files with invalid names are left out, as the library's cost is not linear."""
    media_type = body.content_type.partition(";")[0].strip().lower()
    if media_type == _JSON:
        data = read_json(body.content)
        if isinstance(data, dict) and isinstance(files := data.get("files"), list):
            _check_count(project, len(files))
            data["files"] = [
                file for file in files if _is_short(file.get("filename") if isinstance(file, dict) else "")
            ]
        return ProjectPage.from_json_data(data, body.url).packages
    if media_type in _HTML:
        links = RepositoryPage.from_html(body.content, body.url, body.charset).links
        _check_count(project, len(links))
        return [DistributionPackage.from_link(link, project) for link in links if _is_short(link.text)]
    raise UnreadablePageError(f"it is of type {media_type or 'unknown'!r}")


def _check_count(project: NormalizedName, count: int) -> None:
    if count > MOST_FILES:
        raise UnreadablePageError(f"its page of {project} lists {count} files; {MOST_FILES} are read")


def _is_short(filename: object) -> bool:
    return not isinstance(filename, str) or len(filename) <= MAX_NAME


def _read_file(project: NormalizedName, package: DistributionPackage) -> IndexFile | None:
    sha256 = _sha256(package.digests)
    version = _version(project, package)
    if sha256 is None or version is None or urlsplit(package.url).scheme not in _SCHEMES:
        return None
    return IndexFile(
        filename=package.filename,
        url=without_password(package.url),
        sha256=sha256,
        kind=cast("Literal['sdist', 'wheel']", package.package_type),
        version=version,
        size_bytes=package.size,
        requires_python=package.requires_python,
        yanked=package.is_yanked,
        yanked_reason=package.yanked_reason,
        upload_time=package.upload_time,
    )


def _sha256(digests: Mapping[str, str]) -> str | None:
    digest = digests.get("sha256", "").lower()
    return digest if _SHA256.fullmatch(digest) else None


def _version(project: NormalizedName, package: DistributionPackage) -> Version | None:
    """Return the file's version if the file is an sdist or a wheel of this project with a valid name."""
    if package.package_type == "wheel":
        return _wheel_version(project, package.filename)
    if package.package_type != "sdist" or canonicalize_name(package.project or "") != project:
        return None
    return find_version(package.version)


def _wheel_version(project: NormalizedName, filename: str) -> Version | None:
    wheel = find_wheel_name(filename)
    return wheel.version if wheel is not None and wheel.project == project else None
