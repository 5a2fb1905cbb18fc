"""Debian's copyright files become SPDX expressions, and whatever else stands there becomes none, in little time."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from license_expression import get_spdx_licensing

from wheelyard_agent.copyright_file import join_all, read_licenses, spdx_of

HEAD = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nSource: x\n\n"


def stanza(files: str, license_: str) -> str:
    return f"Files: {files}\nCopyright: 2001 A. Person\nLicense: {license_}\n\n"


@pytest.mark.parametrize(
    ("said", "expression"),
    [
        ("Expat", "MIT"),
        ("GPL-2+", "GPL-2.0-or-later"),
        ("LGPL-2.1", "LGPL-2.1-only"),
        ("GPL-3.0+", "GPL-3.0-or-later"),
        ("GFDL-1.3+", "GFDL-1.3-or-later"),
        ("GPL", "GPL-1.0-or-later"),
        ("zlib", "Zlib"),
        ("public-domain", "LicenseRef-Debian-public-domain"),
        ("GPL-2+ or LGPL-2.1+", "GPL-2.0-or-later OR LGPL-2.1-or-later"),
        ("Expat and BSD-3-clause", "MIT AND BSD-3-Clause"),
        ("GPL-2+ and Expat or ISC", "(GPL-2.0-or-later AND MIT) OR ISC"),
        ("GPL-2+ or Artistic-2.0, and BSD-3-clause", "(GPL-2.0-or-later OR Artistic-2.0) AND BSD-3-Clause"),
        ("GPL-3+ with Autoconf exception", "GPL-3.0-or-later WITH Autoconf-exception-generic"),
        ("GPL-2+ with OpenSSL exception", "LicenseRef-Debian-GPL-2--with-OpenSSL-exception"),
        ("Perl", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
    ],
)
def test_names_of_debian_become_those_of_spdx(said: str, expression: str) -> None:
    assert spdx_of(said) == expression


def test_all_stanzas_count_but_those_of_the_packaging() -> None:
    text = HEAD + stanza("*", "Expat") + stanza("src/a.c\n src/b.c", "GPL-2+ or Zlib") + stanza("debian/*", "GPL-3")
    assert read_licenses(text) == "(GPL-2.0-or-later OR Zlib) AND MIT"


@pytest.mark.parametrize("license_", ["BSD-3-clause", "GPL-2+"])
def test_license_of_the_head_counts_where_no_files_have_one(license_: str) -> None:
    text = HEAD.replace("Source: x", f"License: {license_}") + "License: other\n text\n"
    assert read_licenses(text) == spdx_of(license_)


@pytest.mark.parametrize(
    "text",
    ["", "This package was debianized by ...", "\0" * 1000, "Format: 1.0\n\n" + stanza("*", "MIT"), HEAD, "Format:"],
)
def test_what_is_not_machine_readable_has_no_license(text: str) -> None:
    assert read_licenses(text) is None


def test_garbage_takes_little_time() -> None:
    garbage = [
        HEAD + stanza("*", "A or " * 200_000),
        HEAD + stanza("*", "(" * 500_000),
        HEAD + "".join(stanza("x", f"Odd-{number}") for number in range(20_000)),
        HEAD + stanza("*", "," * 500_000),
        HEAD + "Files: *\n" + " x\n" * 300_000,
        HEAD + stanza("*", "a" * 1_000_000),
    ]
    begun = time.monotonic()
    for text in garbage:
        found = read_licenses(text)
        assert found is None or len(found) <= 8000
    assert time.monotonic() - begun < 20


@settings(deadline=None)  # what takes long is the other library
@given(st.lists(st.text(alphabet="AGPLor and,()+-2. with/", max_size=40), max_size=6))
def test_whatever_stands_there_gives_an_expression_that_parses(said: list[str]) -> None:
    found = join_all(spdx_of(one) for one in said)
    if found is not None:
        get_spdx_licensing().parse(found)
