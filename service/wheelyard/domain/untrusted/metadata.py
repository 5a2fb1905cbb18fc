"""Untrusted core metadata: PKG-INFO of sdists, METADATA of wheels.

https://packaging.python.org/en/latest/specifications/core-metadata/
"""

import re
from typing import Final

from packaging.metadata import RawMetadata, parse_email

from wheelyard.domain.untrusted.refusal import RefusedTextError

MAX_BYTES: Final = 4 << 20
MAX_HEADERS: Final = 12_000
MAX_LINES: Final = 100_000
"""Maximum lines of the headers, including continuation lines."""
MAX_NAMES: Final = 128
"""Maximum different headers: packaging searches all headers for each of them."""

_LINE: Final = re.compile(rb"([^\r\n]*+)(\r\n|\r|\n|\Z)")
_NAME: Final = re.compile(rb"[\x21-\x39\x3b-\x7e]+(?=:)")
_MAILS: Final = b"content-"
"""Prefix of the headers that describe a mail's body."""
_PROJECT_FIELDS: Final = "description"


def parse_metadata(content: bytes) -> RawMetadata:
    """Parse core metadata; raise RefusedTextError.

    Only the headers are parsed, because the email package parses the body of a multipart message. The body is the
    description, unchanged.
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
    """Return headers and body, split at an empty line or at the first line that is not a header.

    Content-Type is left out: the email package parses its parameters in quadratic time.
    """
    names: set[bytes] = set()
    kept: list[bytes] = []
    count = 0
    is_mails = False
    for line in _LINE.finditer(content):
        if not line[1]:
            return b"".join(kept), content[line.end() :]
        is_continued = line[1][:1] in b" \t" and count > 0
        name = _NAME.match(line[1])
        if not is_continued and name is None:
            return b"".join(kept), content[line.start() :]
        if name is not None and not is_continued:
            names.add(name[0])
            count += 1
            is_mails = name[0].lower().startswith(_MAILS)
        if len(kept) == MAX_LINES:
            raise RefusedTextError(f"its metadata has headers of more than {MAX_LINES} lines")
        if count > MAX_HEADERS or len(names) > MAX_NAMES:
            reason = f"its metadata has more than {MAX_HEADERS} headers, or more than {MAX_NAMES} different ones"
            raise RefusedTextError(reason)
        if not is_mails:
            kept.append(line[0])
    return b"".join(kept), b""
