"""Find the native libraries of a project's crates, in its Cargo manifests and lock file."""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from packaging.version import Version

from wheelyard.domain.catalogue.archive_files import WantedFile
from wheelyard.domain.sdist.contents import SdistContents, is_vendored, read_table, strings_in, table_in
from wheelyard.domain.sdist.need import Need, header, library, pkg_config, program
from wheelyard.domain.untrusted.versions import find_version

_MOST_CRATES: Final = 5000
_MOST_MANIFESTS: Final = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class _Native:
    """What a crate links to."""

    wanted: tuple[WantedFile, ...]
    carried_with: tuple[str, ...] = ()
    """Crates that it depends on if it builds the library from sources of its own."""
    is_carried: bool = False
    """True if it builds the library by default, or if it does when it is not found."""


def _modules(*names: str) -> _Native:
    return _Native(wanted=tuple(map(pkg_config, names)))


_CARRIED_WITH_CC: Final = ("cc",)
_LIBCLANG: Final = _Native(wanted=(header("clang-c/Index.h"), library("clang")))
_NATIVE: Final[Mapping[str, _Native]] = {
    "alsa-sys": _modules("alsa"),
    "atk-sys": _modules("atk"),
    "bzip2-sys": _Native(wanted=(header("bzlib.h"),), is_carried=True),
    "cairo-sys-rs": _modules("cairo"),
    "clang-sys": _LIBCLANG,
    "cmake": _Native(wanted=(program("cmake"),), is_carried=True),
    "curl-sys": _Native(wanted=(pkg_config("libcurl"),), is_carried=True),
    "dbus": _Native(wanted=(pkg_config("dbus-1"),), is_carried=True),
    "dbus-sys": _modules("dbus-1"),
    "expat-sys": _Native(wanted=(pkg_config("expat"),), is_carried=True),
    "ffmpeg-sys-next": _modules("libavcodec"),
    "fontconfig-sys": _modules("fontconfig"),
    "freetype-sys": _Native(wanted=(pkg_config("freetype2"),), is_carried=True),
    "fuser": _Native(wanted=(pkg_config("fuse3"), pkg_config("fuse")), is_carried=True),
    "gdal-sys": _modules("gdal"),
    "gdk-pixbuf-sys": _modules("gdk-pixbuf-2.0"),
    "gdk-sys": _modules("gdk-3.0"),
    "geos-sys": _Native(wanted=(pkg_config("geos"),), carried_with=("geos-src",)),
    "gio-sys": _modules("gio-2.0"),
    "glib-sys": _modules("glib-2.0"),
    "gobject-sys": _modules("gobject-2.0"),
    "gpgme-sys": _Native(wanted=(pkg_config("gpgme"), program("gpgme-config"))),
    "gstreamer-sys": _modules("gstreamer-1.0"),
    "gtk-sys": _modules("gtk+-3.0"),
    "gtk4-sys": _modules("gtk4"),
    "hdf5-metno-sys": _Native(wanted=(pkg_config("hdf5"), header("hdf5.h")), carried_with=("hdf5-metno-src",)),
    "hdf5-sys": _Native(wanted=(pkg_config("hdf5"), header("hdf5.h")), carried_with=("hdf5-src",)),
    "hidapi": _Native(wanted=(pkg_config("libudev"),), is_carried=True),
    "javascriptcore-rs-sys": _modules("javascriptcoregtk-4.1"),
    "krb5-sys": _modules("krb5"),
    "leptonica-sys": _modules("lept"),
    "libarchive3-sys": _modules("libarchive"),
    "libcryptsetup-rs-sys": _modules("libcryptsetup"),
    "libdbus-sys": _Native(wanted=(pkg_config("dbus-1"),), carried_with=_CARRIED_WITH_CC),
    "libgit2-sys": _Native(wanted=(pkg_config("libgit2"),), is_carried=True),
    "libgpg-error-sys": _Native(wanted=(pkg_config("gpg-error"),)),
    "libgssapi-sys": _Native(wanted=(pkg_config("krb5-gssapi"),)),
    "libpulse-sys": _modules("libpulse"),
    "libsodium-sys": _Native(wanted=(pkg_config("libsodium"),), is_carried=True),
    "libsqlite3-sys": _Native(wanted=(pkg_config("sqlite3"),), carried_with=_CARRIED_WITH_CC),
    "libssh2-sys": _Native(wanted=(pkg_config("libssh2"),), is_carried=True),
    "libsystemd-sys": _modules("libsystemd"),
    "libudev-sys": _modules("libudev"),
    "libusb1-sys": _Native(wanted=(pkg_config("libusb-1.0"),), is_carried=True),
    "libz-sys": _Native(wanted=(pkg_config("zlib"),), is_carried=True),
    "llvm-sys": _Native(wanted=(program("llvm-config"),)),
    "lzma-sys": _Native(wanted=(pkg_config("liblzma"),), is_carried=True),
    "magic-sys": _Native(wanted=(header("magic.h"),)),
    "mysqlclient-sys": _Native(
        wanted=(pkg_config("mysqlclient"), pkg_config("libmariadb")), carried_with=("mysqlclient-src",)
    ),
    "netcdf-sys": _Native(wanted=(pkg_config("netcdf"),), carried_with=("netcdf-src",)),
    "nettle-sys": _modules("nettle", "hogweed"),
    "openssl-sys": _Native(wanted=(pkg_config("openssl"),), carried_with=("openssl-src",)),
    "pam-sys": _Native(wanted=(header("security/pam_appl.h"),)),
    "pango-sys": _modules("pango"),
    "pcap": _Native(wanted=(library("pcap"),)),
    "pcsc-sys": _modules("libpcsclite"),
    "pq-sys": _Native(wanted=(pkg_config("libpq"), program("pg_config")), carried_with=("pq-src",)),
    "proj-sys": _Native(wanted=(pkg_config("proj"),), is_carried=True),
    "rdkafka-sys": _Native(wanted=(pkg_config("rdkafka"),), is_carried=True),
    "sasl2-sys": _Native(wanted=(pkg_config("libsasl2"),), is_carried=True),
    "sdl2-sys": _Native(wanted=(library("SDL2"),), carried_with=("cmake",)),
    "soup3-sys": _modules("libsoup-3.0"),
    "tesseract-sys": _modules("tesseract"),
    "tss-esapi-sys": _modules("tss2-sys"),
    "webkit2gtk-sys": _modules("webkit2gtk-4.1"),
    "x11": _Native(wanted=(pkg_config("x11"),)),
    "yeslogic-fontconfig-sys": _Native(wanted=(pkg_config("fontconfig"),), carried_with=("dlib",)),
    "zmq-sys": _modules("libzmq"),
    "zstd-sys": _Native(wanted=(pkg_config("libzstd"),), is_carried=True),
    "prost-build": _Native(wanted=(program("protoc"),), carried_with=("protobuf-src", "protoc-bin-vendored")),
}
"""Well-known crates that link to a library of the system, or that call a program of it."""
_KINDS: Final = ("dependencies", "build-dependencies")


def find_crate_needs(contents: SdistContents, builders: frozenset[str]) -> tuple[Need, ...]:
    """Return the Rust toolchain and the libraries of the crates.

    Args:
        contents: The sdist.
        builders: The build requirements; one that compiles Rust makes Rust required.
    """
    top = _main_manifest(contents)
    if top is None:
        return ()
    is_built = bool(builders & {"maturin", "setuptools-rust"})
    floor = _floor(contents)
    toolchain = f"rust>={floor}" if floor else "rust"
    rust = Need(name="rust", toolchain=toolchain, is_required=is_built, place=top)
    return (rust, *_natives(contents, top, is_built=is_built))


def _main_manifest(contents: SdistContents) -> str | None:
    tools = table_in(read_table(contents, "pyproject.toml"), "tool")
    named = table_in(tools, "maturin").get("manifest-path")
    rows = table_in(tools, "setuptools-rust").get("ext-modules")
    paths = [table_in(row).get("path") for row in rows] if isinstance(rows, list) else []
    for path in [named, *paths, "Cargo.toml"]:
        if isinstance(path, str) and path.removeprefix("./") in contents.texts:
            return path.removeprefix("./")
    others = [name for name in contents.texts if name.endswith("/Cargo.toml") and not is_vendored(name)]
    return min(others, key=lambda name: (name.count("/"), name), default=None)


def _floor(contents: SdistContents) -> str:
    """Return the highest version of Rust that one of the manifests wants; empty if none does."""
    floors = list[Version]()
    names = (name for name in contents.texts if PurePosixPath(name).name == "Cargo.toml")
    for name, _ in zip(names, range(_MOST_MANIFESTS * 10), strict=False):
        manifest = read_table(contents, name)
        for table in (table_in(manifest, "package"), table_in(manifest, "workspace", "package")):
            value = table.get("rust-version")
            if isinstance(value, str) and re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4}){0,2}", value):
                floor = find_version(value)
                floors += [floor] if floor is not None else []
    return str(max(floors)) if floors else ""


def _natives(contents: SdistContents, top: str, *, is_built: bool) -> Iterator[Need]:
    manifests = _own_manifests(contents, top)
    certain, possible = set[str](), set[str]()
    for manifest in manifests.values():
        for name, is_optional in _direct(manifest):
            (possible if is_optional else certain).add(name)
    place, graph = _lock(contents, top)
    reached = _reach(certain, graph)
    for name in sorted({*reached, *certain, *possible, *graph} & _NATIVE.keys()):
        native = _NATIVE[name]
        carries = {
            dependency
            for dependency in native.carried_with
            if dependency in graph.get(name, ()) or (name == "prost-build" and dependency in graph)
        }
        is_required = is_built and name in reached and not native.is_carried and not carries
        if not carries and (not native.is_carried or name in reached):
            yield Need(name=name, wanted=native.wanted, is_required=is_required, place=place)


def _own_manifests(contents: SdistContents, top: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the main manifest and those of its path dependencies, by their names."""
    found: dict[str, Mapping[str, Any]] = {}
    waiting = [top]
    while waiting and len(found) < _MOST_MANIFESTS:
        name = waiting.pop()
        if name in found or name not in contents.texts:
            continue
        found[name] = read_table(contents, name)
        for kind in _KINDS:
            for value in [*table_in(found[name], kind).values(), *table_in(found[name], "workspace", kind).values()]:
                path = table_in(value).get("path")
                if isinstance(path, str):
                    waiting.append(posixpath.normpath(posixpath.join(posixpath.dirname(name), path, "Cargo.toml")))
    return found


def _direct(manifest: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield the crates that a manifest names, and whether each is optional."""
    for kind in _KINDS:
        for key, value in table_in(manifest, kind).items():
            table = table_in(value)
            name = table.get("package")
            yield (name if isinstance(name, str) else key), table.get("optional") is True


def _lock(contents: SdistContents, top: str) -> tuple[str, Mapping[str, frozenset[str]]]:
    """Return the lock file's name, or the main manifest's, and which crates each crate depends on."""
    folder = PurePosixPath(top).parent
    names = [str(parent / "Cargo.lock") for parent in (folder, *folder.parents)]
    name = next((one for one in names if one in contents.texts), None)
    if name is None:
        return top, {}
    graph: dict[str, frozenset[str]] = {}
    packages = read_table(contents, name).get("package")
    for package in packages[:_MOST_CRATES] if isinstance(packages, list) else ():
        table = table_in(package)
        crate = table.get("name")
        if isinstance(crate, str):
            depends = frozenset(one.partition(" ")[0] for one in strings_in(table.get("dependencies")))
            graph[crate] = graph.get(crate, frozenset()) | depends
    return name, graph


def _reach(names: Iterable[str], graph: Mapping[str, frozenset[str]]) -> frozenset[str]:
    reached, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(graph.get(name, ()))
    return frozenset(reached)
