"""Find what a build links statically, from what the linker and rustc are told, and what the linker says.

Two small programs stand in front of them. GCC and Clang search ``ld`` in COMPILER_PATH first
(https://gcc.gnu.org/onlinedocs/gcc/Environment-Variables.html); its map file then names each archive of which a member
was taken. Cargo starts rustc by RUSTC_WRAPPER (https://doc.rust-lang.org/cargo/reference/environment-variables.html),
and the options ``--extern`` say which crates a library is linked with, without macros and build scripts.

Linkers of other names (lld, gold, mold) and those that are called by their path are not heard. The project's code could
write there too: it would change what its own wheel says of itself. That archives are of packages is checked later.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wheelyard_agent.job import output_of
from wheelyard_agent.toml_tables import read_toml, table

TEXTS = "crate-licenses.zip"
"""File name of the license texts of crates."""
_LINKER = """#!/bin/sh
{linker} -Map="{folder}/$$.map" "$@"
code=$?
sed -nE -e 's/^(\\/.*\\.(a|rlib))\\([^()]*\\)$/\\1/p' -e 's/^OUTPUT\\((.*) [^ ]*\\)$/OUTPUT \\1/p' "{folder}/$$.map" \
2>/dev/null | LC_ALL=C sort -u >> "{folder}/$$.link"
rm -f "{folder}/$$.map"
exit $code
"""
_RUSTC = """#!/bin/sh
printf '%s\\0' "$CARGO_PKG_NAME" "$CARGO_PKG_VERSION" "$CARGO_MANIFEST_DIR" "$@" >> "{folder}/$$.rustc"
exec "$@"
"""
_MAX_RECORDS = 20_000
_MAX_RECORD = 1 << 20
_MAX_ARCHIVES = 500
_MAX_CRATES = 2000
_MAX_TEXT = 1 << 20
_MAX_PATH = 1000
_MAX_TEXTS = 16 << 20
_LICENSE_FILE = re.compile(r"(?:un)?licen[cs]e|copying|copyright|notice", re.IGNORECASE)
_SAFE_NAME = re.compile(r"[A-Za-z0-9._+-]{1,100}")
_CRATE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VERSION = re.compile(r"[0-9A-Za-z.+-]{1,60}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LICENSE = re.compile(r"[A-Za-z0-9 ().+/:-]{1,500}")
_LINKED = frozenset({"bin", "cdylib", "dylib", "staticlib"})


class LinkedParts(NamedTuple):
    """What the build linked statically."""

    archives: list[str]
    """Paths of archives of the system, sorted."""
    crates: list[dict[str, Any]]
    """Name, version, digest, license and license files of each crate of a registry."""


class _Compilation(NamedTuple):
    """A call of rustc."""

    name: str
    version: str
    manifest: Path
    kinds: frozenset[str]
    key: str
    needs: tuple[str, ...]


def watch_linkers(folder: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Put the two programs into a folder; return the environment variables that have them used."""
    folder.mkdir()
    _write(folder / "rustc", _RUSTC.format(folder=folder))
    variables = {"RUSTC_WRAPPER": str(folder / "rustc")}
    if linker := shutil.which("ld", path=env["PATH"]):
        _write(folder / "ld", _LINKER.format(folder=folder, linker=linker))
        variables["COMPILER_PATH"] = str(folder)
    return variables


def linked_parts(folder: Path, texts: Path, *, env: Mapping[str, str]) -> LinkedParts:
    """Return what was linked, and write the license texts of crates to a zip file; both are of untrusted code."""
    compilations = list(_compilations(folder))
    crates = list(_crates(_linked(compilations)))[:_MAX_CRATES]
    archives = set(_archives(folder))
    if any(one.kinds & _LINKED for one in _roots(compilations)):
        archives |= set(_standard_library(env))
    with zipfile.ZipFile(texts, "w", zipfile.ZIP_DEFLATED) as bundle:
        listed = list(_with_texts(crates, bundle))
    return LinkedParts(sorted(archives)[:_MAX_ARCHIVES], listed)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def _records(folder: Path, kind: str) -> Iterator[bytes]:
    """Yield the content of the records; links and pipes that the project's code left are none."""
    for at, path in enumerate(sorted(folder.glob(f"*.{kind}"))):
        if at == _MAX_RECORDS:
            return
        if not path.is_symlink() and path.is_file():
            with path.open("rb") as file:
                yield file.read(_MAX_RECORD)


def _archives(folder: Path) -> Iterator[str]:
    """Yield the system's archives of which a linker took members, but for the trials of configure scripts."""
    for record in _records(folder, "link"):
        lines = record.decode(errors="replace").splitlines()
        outputs = [line.removeprefix("OUTPUT ") for line in lines if line.startswith("OUTPUT ")]
        if outputs and all(_is_trial(one) for one in outputs):
            continue
        for line in lines:
            path = os.path.normpath(line)
            if path.startswith(("/usr/", "/lib")) and len(path) <= _MAX_PATH:
                yield path


def _is_trial(output: str) -> bool:
    """Return whether a file is a program of a configure script, of CMake or Meson, or of a build script of Cargo."""
    name = Path(output).name
    return name in {"a.out", "conftest", "conftest.exe"} or name.startswith(("cmTC_", "build_script_", "sanitycheck"))


def _compilations(folder: Path) -> Iterator[_Compilation]:
    for record in _records(folder, "rustc"):
        name, version, manifest, *words = (record.decode(errors="replace").split("\0") + [""] * 3)[:_MAX_RECORD]
        options = list(_options(words))
        crate = next((value for key, value in options if key == "--crate-name"), None)
        if crate is None or crate == "___":  # a question of cargo's
            continue
        kinds = frozenset(one for key, value in options if key == "--crate-type" for one in value.split(","))
        codegen = dict(value.partition("=")[::2] for key, value in options if key in ("-C", "--codegen"))
        needs = tuple(_key_of(value) for key, value in options if key == "--extern" and "=" in value)
        key = f"{crate}{codegen.get('extra-filename', '')}"
        yield _Compilation(name, version, Path(manifest), kinds, key, needs)


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    for at, word in enumerate(words):
        if word.startswith("--") and "=" in word and not word.startswith("--cfg"):
            name, _, value = word.partition("=")
            yield name, value
        elif word.startswith("-") and at + 1 < len(words):
            yield word, words[at + 1]


def _key_of(extern: str) -> str:
    """Return the key of a crate from ``name=/path/libname-HASH.rmeta``."""
    return Path(extern.partition("=")[2]).stem.removeprefix("lib")


def _roots(compilations: Sequence[_Compilation]) -> Iterator[_Compilation]:
    return (one for one in compilations if one.kinds & _LINKED and not one.key.startswith("build_script_"))


def _linked(compilations: Sequence[_Compilation]) -> Iterator[_Compilation]:
    """Yield what libraries and programs are linked with: all that they name, but for macros, and what these name."""
    by_key = {one.key: one for one in compilations}
    waiting, seen = list(_roots(compilations)), set()
    while waiting:
        one = waiting.pop()
        if one.key in seen or "proc-macro" in one.kinds:
            continue
        seen.add(one.key)
        yield one
        waiting += [by_key[key] for key in one.needs if key in by_key]


def _crates(linked: Iterator[_Compilation]) -> Iterator[dict[str, Any]]:
    """Yield the crates of registries, each version once, sorted; crates of the project's own have no checksums."""
    found = {}
    for one in linked:
        checksums = one.manifest / ".cargo-checksum.json"
        if not checksums.is_file() or not _CRATE_NAME.fullmatch(one.name) or not _VERSION.fullmatch(one.version):
            continue
        found[one.name, one.version] = {
            "name": one.name,
            "version": one.version,
            "sha256": _package_digest(checksums),
            "license": _license_of(one.manifest),
            "folder": one.manifest,
        }
    return (found[key] for key in sorted(found))


def _package_digest(checksums: Path) -> str | None:
    try:
        with checksums.open("rb") as file:
            said = json.loads(file.read(8 << 20))
    except (OSError, ValueError, RecursionError):
        return None
    digest = said.get("package") if isinstance(said, dict) else None
    return digest if isinstance(digest, str) and _SHA256.fullmatch(digest) else None


def _license_of(folder: Path) -> str | None:
    """Return the license that a crate's manifest names; a slash in it is an older way to write OR."""
    said = table(read_toml(folder / "Cargo.toml"), "package").get("license")
    if not isinstance(said, str) or not _LICENSE.fullmatch(said.strip()):
        return None
    return " ".join(said.replace("/", " OR ").split())


def _standard_library(env: Mapping[str, str]) -> Iterator[str]:
    """Yield the archive of Rust's standard library, which is a part of everything that rustc links."""
    root = output_of(["rustc", "--print", "sysroot"], env=env)
    if root is not None:
        yield from (str(path) for path in sorted(Path(root.strip()).glob("lib/rustlib/*/lib/libstd-*.rlib"))[:1])


def _with_texts(crates: Sequence[Mapping[str, Any]], bundle: zipfile.ZipFile) -> Iterator[dict[str, Any]]:
    """Yield the crates with their license files; equal texts of several crates are written once."""
    written: dict[bytes, str] = {}
    size = 0
    for crate in crates:
        files = []
        for path in sorted(crate["folder"].iterdir()):
            if not _LICENSE_FILE.match(path.name) or not _SAFE_NAME.fullmatch(path.name) or path.is_symlink():
                continue
            content = path.read_bytes() if path.is_file() and path.stat().st_size <= _MAX_TEXT else b""
            if not content:
                continue
            if content not in written and size + len(content) <= _MAX_TEXTS:
                written[content] = f"{crate['name']}_{crate['version']}/{path.name}"
                size += len(content)
                bundle.writestr(written[content], content)
            if content in written:
                files.append(written[content])
        yield {**{key: value for key, value in crate.items() if key != "folder"}, "license_files": files[:20]}
