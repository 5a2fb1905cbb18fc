"""The libraries that native files need, on real files of this Python and with the real dynamic linker."""

import _ctypes
import io
import json
import os
import zipfile
from pathlib import Path

import pytest

from wheelyard_agent import libraries
from wheelyard_agent.channel import Channel
from wheelyard_agent.libraries import find_packages, installed_files, list_missing_libraries, resolve_libraries

ENV = {"PATH": os.defpath}
REAL = Path(_ctypes.__file__).read_bytes()
"""An extension module that needs ``libffi``."""
LACKING = REAL.replace(b"libffi.so.", b"libffy.so.")
"""The same with the name of a library that no host has."""
DPKG = """\
#!/bin/sh
case "$1" in
--search) shift 2; for name; do case "$name" in *libffi*) echo "libffi8:amd64: $name";; esac; done ;;
*) printf 'libffi8:amd64\\t3.4-1\\tlibffi\\t3.4-1\\tamd64\\n' ;;
esac
"""


@pytest.fixture
def soname() -> str:
    """The name of libffi with its version here, spelled as the lacking one."""
    start = LACKING.index(b"libffy.so.")
    return LACKING[start : LACKING.index(b"\0", start)].decode()


def laid(folder: Path, **contents: bytes) -> list[Path]:
    files = [folder / f"{name}.so" for name in contents]
    for file, content in zip(files, contents.values(), strict=True):
        file.write_bytes(content)
    return files


def test_every_file_is_asked_and_each_library_named_once(tmp_path: Path, soname: str) -> None:
    other = LACKING.replace(b"libffy.so.", b"libffz.so.")
    files = laid(tmp_path, whole=REAL, lacking=LACKING, same=LACKING, other=other, text=b"no ELF at all")
    resolution = resolve_libraries(files, tmp_path, env=ENV)
    assert resolution.missing == [soname, soname.replace("ffy", "ffz")]
    assert resolution.found[soname.replace("ffy", "ffi")].is_file()
    assert "libc.so.6" in resolution.found


def test_library_that_the_environment_has_is_not_missing(tmp_path: Path, soname: str) -> None:
    """A package may load it by its path before what needs it."""
    files = laid(tmp_path, lacking=LACKING)
    (tmp_path / "companion").mkdir()
    (tmp_path / "companion" / soname).write_bytes(REAL)
    assert resolve_libraries(files, tmp_path, env=ENV).missing == []


def test_what_the_environment_itself_has_is_not_the_hosts(tmp_path: Path) -> None:
    (file,) = laid(tmp_path, whole=REAL)
    name = next(one for one in resolve_libraries([file], tmp_path, env=ENV).found if "ffi" in one)
    (tmp_path / name).write_bytes(REAL)
    resolution = resolve_libraries([file], tmp_path, env={**ENV, "LD_LIBRARY_PATH": str(tmp_path)})
    assert name not in resolution.found


def test_linker_that_does_not_end_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = tmp_path / "ld"
    stuck.write_text("#!/bin/sh\nexec sleep 60\n")
    stuck.chmod(0o755)
    monkeypatch.setattr(libraries, "_find_loader", lambda: str(stuck))
    monkeypatch.setattr(libraries, "_SECONDS", 0.2)
    assert resolve_libraries(laid(tmp_path, lacking=LACKING), tmp_path, env=ENV).missing == []


def test_process_without_a_dynamic_linker_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "_find_loader", lambda: None)
    assert resolve_libraries(laid(tmp_path, lacking=LACKING), tmp_path, env=ENV) == ({}, [])


def test_native_files_are_found_where_an_installer_puts_them(tmp_path: Path) -> None:
    wheel = tmp_path / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as bundle:
        for member in ("demo/_c.so", "demo-1.0.data/platlib/demo/_d.so", "demo-1.0.data/scripts/tool"):
            bundle.writestr(member, REAL)
        bundle.writestr("demo/__init__.py", "")
    for name in ("_c.so", "_d.so"):
        (tmp_path / "demo").mkdir(exist_ok=True)
        (tmp_path / "demo" / name).write_bytes(REAL)
    assert installed_files(wheel, tmp_path) == [tmp_path / "demo/_c.so", tmp_path / "demo/_d.so"]


def test_job_tells_what_a_bare_image_lacks(tmp_path: Path, soname: str) -> None:
    with zipfile.ZipFile(tmp_path / "demo.whl", "w") as bundle:
        bundle.writestr("demo/_c.so", LACKING)
    sink = io.BytesIO()
    list_missing_libraries(Channel(io.BytesIO(), sink), {"wheel": "demo.whl"}, tmp_path, tmp_path / "scratch")
    assert json.loads(sink.getvalue()) == {"kind": "report", "missing_libraries": [soname]}


def test_packages_are_those_of_the_packages_database(tmp_path: Path) -> None:
    program = tmp_path / "dpkg-query"
    program.write_text(DPKG)
    program.chmod(0o755)
    found = {"libffi.so.8": Path("/usr/lib/libffi.so.8"), "libown.so.1": Path("/opt/libown.so.1")}
    assert find_packages(found, env={"PATH": f"{tmp_path}:/bin"}) == {"libffi.so.8": "libffi8"}
