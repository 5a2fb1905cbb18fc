"""The pip that checks as a user would: pinned, and fetched from the upstream index by its hash."""

from typing import Final

from packaging.utils import canonicalize_name

from wheelyard.domain.packaging.release import IndexFile
from wheelyard.errors import DownloadFailedError
from wheelyard.interfaces import SourceIndex

_FILENAME: Final = "pip-26.2.1-py3-none-any.whl"
_SHA256: Final = "71138adf1f4ca900cdb7d289c21b7494329f2332b6d85f0e1c42108c0384ed3e"


async def find_pip(source: SourceIndex) -> IndexFile:
    """Find the pinned pip on the upstream index; raises DownloadFailedError if it is not there."""
    page = await source.project(canonicalize_name("pip"))
    for file in page.files:
        if file.filename == _FILENAME and file.sha256 == _SHA256:
            return file
    raise DownloadFailedError(what=_FILENAME, tried=["the upstream index does not list it with the pinned sha256"])
