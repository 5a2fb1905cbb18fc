"""Newer releases of CPython in Debian's index of sources, and their entries in a catalogue."""

from pathlib import Path
from typing import Final

import pytest

from wheelyard.domain.catalogue.catalogue import Catalogue, lay_over, parse_catalogue
from wheelyard.domain.catalogue.source_releases import add_entries, find_newer, read_releases

SHIPPED: Final = (Path(__file__).parents[3] / "builders" / "builders.toml").read_text()
SHA: Final = "ab" * 32


def stanza(line: str, upstream: str, *, ending: str = "tar.xz", sha256: str = SHA) -> str:
    return (
        f"Package: python{line}\nBinary: python{line}, libpython{line}\nVersion: {upstream}-1\n"
        f"Checksums-Sha256:\n {'0' * 64} 3000 python{line}_{upstream}-1.dsc\n"
        f" {sha256} 22000000 python{line}_{upstream}.orig.{ending}\n"
        f" {'1' * 64} 200 python{line}_{upstream}-1.debian.tar.xz\n"
        f"Directory: pool/main/p/python{line}\nPriority: optional\n"
    )


def index(*stanzas: str) -> str:
    return "\n".join(["Package: zlib\nVersion: 1.3\n", *stanzas])


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return parse_catalogue(SHIPPED)


def newer(catalogue: Catalogue, *stanzas: str) -> list[str]:
    return [one.version for one in find_newer(catalogue, read_releases(index(*stanzas)))]


def test_newest_release_of_each_line_is_named_if_the_catalogue_has_an_older_one(catalogue: Catalogue) -> None:
    stanzas = (
        stanza("3.14", "3.14.98"),
        stanza("3.14", "3.14.99"),
        stanza("3.15", "3.15.99"),
        stanza("3.13", "3.13.5"),
    )
    assert newer(catalogue, *stanzas) == ["3.15.99", "3.14.99"]


def test_new_line_is_named_and_an_ancient_one_is_not(catalogue: Catalogue) -> None:
    assert newer(catalogue, stanza("3.16", "3.16.0"), stanza("3.9", "3.9.99")) == ["3.16.0"]


@pytest.mark.parametrize("upstream", ["3.15.99~rc1", "3.15.99+dfsg", "3.14.99"])
def test_only_upstreams_tarballs_of_final_releases_count(catalogue: Catalogue, upstream: str) -> None:
    assert newer(catalogue, stanza("3.15", upstream)) == []


def test_entry_has_the_signed_hash_and_both_places() -> None:
    (found,) = read_releases(index(stanza("3.12", "3.12.99", ending="tar.gz")))
    assert found.entry == (
        '[[python."3.12".source]]\nversion = "3.12.99"\n'
        f'sha256 = "{SHA}"\nfile = "Python-3.12.99.tgz"\nmirrors = [\n'
        '  "{apt}/pool/main/p/python3.12/python3.12_3.12.99.orig.tar.gz",\n'
        '  "https://www.python.org/ftp/python/3.12.99/Python-3.12.99.tgz",\n]\n'
    )


def test_entry_goes_before_the_others_of_its_line_and_all_else_stays(catalogue: Catalogue) -> None:
    found = find_newer(catalogue, read_releases(index(stanza("3.14", "3.14.99"))))
    text = add_entries(SHIPPED, found, {})
    assert text.replace(f"{found[0].entry}\n", "") == SHIPPED
    versions = [source.version for source in parse_catalogue(text).python["3.14"].source]
    assert versions == ["3.14.99", *(source.version for source in catalogue.python["3.14"].source)]


def test_operators_file_gets_the_catalogues_releases_too_because_it_replaces_them(catalogue: Catalogue) -> None:
    found = find_newer(catalogue, read_releases(index(stanza("3.14", "3.14.99"))))
    known = {line: entry.source for line, entry in catalogue.python.items()}
    result = lay_over(SHIPPED, add_entries("", found, known), source="own.toml")
    assert [source.version for source in result.python["3.14"].source][1:] == [
        source.version for source in catalogue.python["3.14"].source
    ]
    assert result.python["3.13"] == catalogue.python["3.13"]
