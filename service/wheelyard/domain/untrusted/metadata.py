"""Core metadata of strangers: PKG-INFO of sdists, METADATA of wheels.

https://packaging.python.org/en/latest/specifications/core-metadata/
"""

import re
from typing import Final

from packaging.metadata import RawMetadata, parse_email

from wheelyard.domain.untrusted.refusal import RefusedTextError

MAX_BYTES: Final = 4 << 20
MAX_HEADERS: Final = 12_000
MAX_NAMES: Final = 128
"""Of different headers: packaging looks through all headers for each of them."""

_LINE: Final = re.compile(rb"([^\r\n]*+)(\r\n|\r|\n|\Z)")
_NAME: Final = re.compile(rb"[\x21-\x39\x3b-\x7e]+(?=:)")
_PROJECT_FIELDS: Final = "description"


def parse_metadata(content: bytes) -> RawMetadata:
    """Read core metadata; raises RefusedTextError.

    Only the headers are parsed: the email package takes a body apart if a header calls it a multipart message. It is
    the description, as it is.
    """
    if len(content) > MAX_BYTES:
        raise RefusedTextError(f"its metadata has {len(content)} bytes; {MAX_BYTES} are allowed")
    headers, body = _split(content)
    try:
        raw, _ = parse_email(headers)
    except (ValueError, LookupError, RecursionError) as error:
        raise RefusedTextError(f"its metadata cannot be read ({type(error).__name__}: {error})") from error
    if body.strip() and _PROJECT_FIELDS not in raw:
        raw["description"] = body.decode(errors="replace")
    return raw


def _split(content: bytes) -> tuple[bytes, bytes]:
    """Cut where the headers end: at an empty line, or at the first line that is none."""
    names: set[bytes] = set()
    count = end = 0
    for line in _LINE.finditer(content):
        if not line[1]:
            return content[:end], content[line.end() :]
        is_continued = line[1][:1] in b" \t" and count > 0
        name = _NAME.match(line[1])
        if not is_continued and name is None:
            return content[:end], content[line.start() :]
        if name is not None and not is_continued:
            names.add(name[0])
            count += 1
        if count > MAX_HEADERS or len(names) > MAX_NAMES:
            reason = f"its metadata has more than {MAX_HEADERS} headers, or more than {MAX_NAMES} different ones"
            raise RefusedTextError(reason)
        end = line.end()
    return content[:end], b""
