"""Conditional requests and compressed answers (RFC 9110, sections 12.5.3 and 13.1.2). Must not make any answer."""

from fastapi import Request


def is_known(request: Request, etag: str) -> bool:
    """Tell whether the reader has this very answer, by its If-None-Match; ``*`` is whatever there is."""
    given = [one.strip() for one in request.headers.get("If-None-Match", "").split(",")]
    return "*" in given or etag.removeprefix("W/") in (one.removeprefix("W/") for one in given)


def takes_gzip(request: Request) -> bool:
    """Tell whether the reader can unpack gzip."""
    accepted = request.headers.get("Accept-Encoding", "")
    codings = (item.replace(" ", "").lower().split(";") for item in accepted.split(","))
    return any(name == "gzip" and "q=0" not in parameters for name, *parameters in codings)
