"""A notice board: notices.yaml as a web page, by wsgiref's rules (PEP 3333), served by waitress.

It is small, but has native dependencies: PyYAML needs libyaml, and MarkupSafe has an extension module.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import waitress
import yaml
from markupsafe import Markup, _speedups

NOTICES = Path(__file__).with_name("notices.yaml")
PORT = 8080
_PAGE = Markup("""<!doctype html>
<title>{title}</title>
<h1>{title}</h1>
<ul>
{items}
</ul>
<footer>Python {python}, libyaml {libyaml}, {escaping}, user {user}</footer>
""")
_ITEM = Markup("<li><b>{date}</b> {text}</li>")


def read_notices(path: Path) -> dict[str, Any]:
    """Return the notices, read with libyaml: a PyYAML without libyaml has no CSafeLoader."""
    document: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return document


def write_page(board: dict[str, Any]) -> str:
    """Return the page, with escaped notices."""
    items = Markup("\n").join(_ITEM.format(**notice) for notice in board["notices"])
    return _PAGE.format(
        title=board["title"],
        items=items,
        python=".".join(map(str, sys.version_info[:2])),
        libyaml=yaml._yaml.get_version_string(),  # noqa: SLF001  the one place that tells which library was loaded
        escaping=_speedups.__name__,
        user=os.getuid(),
    )


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer one request."""
    if environ["PATH_INFO"] != "/":
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"not found\n"]
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [write_page(read_notices(NOTICES)).encode()]


if __name__ == "__main__":
    # The first process of a container ignores a signal that it does not handle; waitress ends on SystemExit.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    waitress.serve(application, host="0.0.0.0", port=PORT)  # noqa: S104  a container's own address
