"""Read the licenses of a Debian package from its copyright file, if that is machine-readable (DEP-5).

https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/ names licenses in Debian's own way, so known names
become those of SPDX (https://spdx.org/licenses/), and others become references of the form ``LicenseRef-Debian-NAME``.
What the file says of ``debian/`` concerns the packaging, which is in no library, and is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_FORMAT = re.compile(r"https?://(?:www\.debian\.org/doc/packaging-manuals/copyright-format|dep\.debian\.net/)\S*")
_OLD_FORMAT = re.compile(r"https?://(?:svn|anonscm|wiki)\.debian\.org/\S*(?:dep5|CopyrightFormat)\S*", re.IGNORECASE)
_FIELD = re.compile(r"([A-Za-z][A-Za-z-]*):[ \t]*(.*)")
_WORD = re.compile(r"\(|\)|,|[^\s(),]+")
_MAX_WORDS = 400
_MAX_STANZAS = 5000
_MAX_LICENSES = 100
_LONGEST = 8000
_PLAIN_NAME = re.compile(r"[^A-Za-z0-9.-]+")

_SPDX = {
    **{name.lower(): name for name in ("0BSD", "Apache-1.1", "Apache-2.0", "BSD-1-Clause", "BSD-2-Clause")},
    **{name.lower(): name for name in ("BSD-3-Clause", "BSD-4-Clause", "BSL-1.0", "CC0-1.0", "CC-BY-3.0", "CC-BY-4.0")},
    **{name.lower(): name for name in ("CC-BY-SA-3.0", "CC-BY-SA-4.0", "CDDL-1.0", "CPL-1.0", "EPL-1.0", "EPL-2.0")},
    **{name.lower(): name for name in ("FSFAP", "FSFUL", "FSFULLR", "FTL", "HPND", "ICU", "ISC", "JSON", "libtiff")},
    **{name.lower(): name for name in ("MIT", "MIT-0", "MPL-1.1", "MPL-2.0", "NCSA", "NTP", "OFL-1.1", "OLDAP-2.8")},
    **{name.lower(): name for name in ("OpenSSL", "PostgreSQL", "TCL", "Unicode-3.0", "Unicode-DFS-2016", "Unlicense")},
    **{name.lower(): name for name in ("bzip2-1.0.6", "curl", "Libpng", "libpng-2.0", "Zlib", "X11", "blessing")},
    **{name.lower(): name for name in ("Artistic-2.0", "Beerware", "WTFPL", "Python-2.0", "PSF-2.0", "Sleepycat")},
    "expat": "MIT",
    "gpl": "GPL-1.0-or-later",
    "lgpl": "LGPL-2.0-or-later",
    "apache": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "artistic": "Artistic-1.0-Perl",
    "artistic-1": "Artistic-1.0-Perl",
    "artistic-1.0": "Artistic-1.0-Perl",
    "artistic-2": "Artistic-2.0",
    "boost-1.0": "BSL-1.0",
    "bsd-2": "BSD-2-Clause",
    "bsd-3": "BSD-3-Clause",
    "bsd-4": "BSD-4-Clause",
    "cc0": "CC0-1.0",
    "cddl": "CDDL-1.0",
    "mpl-1": "MPL-1.0",
    "mpl-2": "MPL-2.0",
    "psf-2": "PSF-2.0",
    "python": "Python-2.0",
    "x11/mit": "X11",
    "libpng": "Libpng",
    "zlib/libpng": "Zlib",
}
_GNU = re.compile(r"(a?gpl|lgpl|gfdl)-?v?(\d+(?:\.\d+)?)(?:\.0)?(\+|-or-later|-only)?", re.IGNORECASE)
_PERL = {"perl": "Artistic-1.0-Perl OR GPL-1.0-or-later"}
_EXCEPTIONS = {
    "openssl": "LicenseRef-Debian-OpenSSL-exception",
    "autoconf": "Autoconf-exception-generic",
    "libtool": "Libtool-exception",
    "bison": "Bison-exception-2.2",
    "font": "Font-exception-2.0",
    "classpath": "Classpath-exception-2.0",
    "gcc": "GCC-exception-3.1",
}


def read_licenses(text: str) -> str | None:
    """Return the licenses of a package as one SPDX expression; None if the copyright file is not machine-readable.

    Each stanza of files counts, so the expression is what holds for the source package, not for one of its libraries.
    """
    stanzas = _stanzas(text)
    head = next(stanzas, {})
    if not _FORMAT.match(head.get("format", "")) and not _OLD_FORMAT.match(head.get("format", "")):
        return None
    names: dict[str, None] = {}
    for stanza in stanzas:
        files, license_ = stanza.get("files"), stanza.get("license")
        if files is None or not license_ or all(one.startswith("debian/") for one in files.split()):
            continue
        names[spdx_of(license_)] = None
    if not names and head.get("license"):
        names[spdx_of(head["license"])] = None
    return join_all(names)


def join_all(expressions: Iterable[str]) -> str | None:
    """Return the expression of what holds together; None of nothing, or of more than a document should name."""
    parts = sorted({part for one in expressions for part in _conjuncts(one)})
    if not parts or len(parts) > _MAX_LICENSES:
        return None
    text = " AND ".join(f"({one})" if " OR " in one and len(parts) > 1 else one for one in parts)
    return text if len(text) <= _LONGEST else None


def spdx_of(license_: str) -> str:
    """Return a license of the format's grammar as an SPDX expression.

    ``and`` binds more than ``or``, and a comma before either binds less than both.
    """
    words = _WORD.findall(license_)[:_MAX_WORDS]
    groups: list[tuple[str, list[str]]] = [("", [])]
    for at, word in enumerate(words):
        if word == ",":
            following = words[at + 1].lower() if at + 1 < len(words) else ""
            groups.append((following if following in ("and", "or") else "and", []))
        else:
            groups[-1][1].append(word)
    text = ""
    for joint, group in groups:
        parts = group[1:] if joint and group[:1] and group[0].lower() == joint else group
        inner = _without_commas(parts)
        if not inner:
            continue
        both = f"{_wrapped(text)} {joint.upper() or 'AND'} {_wrapped(inner)}"
        text = both if text else inner
    return text or reference("unnamed")


def reference(name: str) -> str:
    """Return the reference to a license that SPDX has no name for."""
    return f"LicenseRef-Debian-{_PLAIN_NAME.sub('-', name)[:80].strip('-') or 'unnamed'}"


def _without_commas(words: list[str]) -> str:
    """Return an expression of names, ``and``, ``or`` and ``with … exception``; brackets are not of the grammar."""
    alternatives: list[list[str]] = [[]]
    name: list[str] = []

    def end() -> None:
        if name:
            alternatives[-1].append(_named(name))
            name.clear()

    for word in words:
        if word.lower() == "or":
            end()
            alternatives.append([])
        elif word.lower() == "and":
            end()
        elif word not in "()":
            name.append(word)
    end()
    texts = [" AND ".join(dict.fromkeys(one)) for one in alternatives if one]
    return " OR ".join(f"({one})" if " AND " in one and len(texts) > 1 else one for one in dict.fromkeys(texts))


def _named(words: list[str]) -> str:
    """Return one license, which may have an exception: ``GPL-2+ with OpenSSL exception``."""
    lowered = [word.lower() for word in words]
    if "with" not in lowered:
        return _short("-".join(words))
    at = lowered.index("with")
    base, exception = _short("-".join(words[:at])), "-".join(words[at + 1 :])
    known = next((spdx for key, spdx in _EXCEPTIONS.items() if key in exception.lower()), None)
    if base.startswith("LicenseRef") or known is None or known.startswith("LicenseRef") or " " in base:
        return reference("-".join(words))
    return f"{base} WITH {known}"


def _short(name: str) -> str:
    lowered = name.lower()
    if lowered in _PERL:
        return _PERL[lowered]
    if match := _GNU.fullmatch(name):
        version = match[2] if "." in match[2] else f"{match[2]}.0"
        # Without a "+", Debian's name is of this version alone.
        later = "or-later" if match[3] in ("+", "-or-later") else "only"
        return f"{match[1].upper()}-{version}-{later}"
    return _SPDX.get(lowered) or _SPDX.get(lowered.removesuffix(".0")) or reference(name)


def _conjuncts(expression: str) -> Iterator[str]:
    """Yield what an expression joins by AND outside of brackets; all of it if it has an OR there."""
    depth, at, parts = 0, 0, []
    for match in re.finditer(r"\(|\)| AND | OR ", expression):
        joint = match[0]
        depth += (joint == "(") - (joint == ")")
        if depth == 0 and joint == " OR ":
            yield expression
            return
        if depth == 0 and joint == " AND ":
            parts.append(expression[at : match.start()])
            at = match.end()
    for part in (*parts, expression[at:]):
        yield part[1:-1] if part.startswith("(") and part.find(")") == len(part) - 1 else part


def _wrapped(expression: str) -> str:
    return f"({expression})" if " AND " in expression or " OR " in expression else expression


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    """Yield the stanzas of a control file with their first lines, and all lines of ``Files``."""
    stanza: dict[str, str] = {}
    name, count = "", 0
    for line in text.splitlines():
        if not line.strip():
            if stanza:
                yield stanza
                count += 1
                if count > _MAX_STANZAS:
                    return
            stanza, name = {}, ""
        elif match := _FIELD.fullmatch(line):
            name = match[1].lower()
            stanza.setdefault(name, match[2].strip())
        elif name == "files" and line[0] in " \t":
            stanza["files"] += " " + line.strip()
    if stanza:
        yield stanza
