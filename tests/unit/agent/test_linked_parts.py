"""What a build links statically, from real calls of the linker, and from what rustc is told."""

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from wheelyard_agent.linked_parts import LinkedParts, linked_parts, watch_linkers

needs_compiler = pytest.mark.skipif(not (shutil.which("gcc") and shutil.which("ar")), reason="no C compiler here")
ENV = {"PATH": os.environ["PATH"]}


def call(folder: Path, crate: str, *options: str, name: str, manifest: Path, version: str = "1.0.0") -> None:
    """Have the program in front of rustc called as Cargo does; ``true`` plays rustc."""
    env = {**ENV, "CARGO_PKG_NAME": name, "CARGO_PKG_VERSION": version, "CARGO_MANIFEST_DIR": str(manifest)}
    command = [str(folder / "rustc"), "true", "--crate-name", crate, *options]
    subprocess.run(command, env=env, check=True)


def crate(folder: Path, name: str, *, registry: bool = True, license_: str = "MIT/Apache-2.0") -> Path:
    path = folder / f"{name}-1.0.0"
    path.mkdir(parents=True)
    path.joinpath("Cargo.toml").write_text(f'[package]\nname = "{name}"\nlicense = "{license_}"\n')
    path.joinpath("LICENSE-MIT").write_text("MIT of all\n")
    path.joinpath("NOTICE").write_text(f"of {name}\n")
    if registry:
        path.joinpath(".cargo-checksum.json").write_text(json.dumps({"files": {}, "package": "ab" * 32}))
    return path


def found(folder: Path) -> LinkedParts:
    return linked_parts(folder, folder.parent / "texts.zip", env=ENV)


@pytest.fixture
def linkers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("wheelyard_agent.linked_parts.output_of", lambda *_, **__: None)
    watch_linkers(tmp_path / "linkers", ENV)
    return tmp_path / "linkers"


def test_crates_are_those_that_the_library_is_linked_with(linkers: Path, tmp_path: Path) -> None:
    crates = {
        name: crate(tmp_path / "crates", name) for name in ("serde", "serde_derive", "syn", "itoa", "cc", "unused")
    }
    own = crate(tmp_path / "src", "own", registry=False)
    lib = ("--crate-type", "lib", "-C")
    call(linkers, "syn", *lib, "extra-filename=-1", name="syn", manifest=crates["syn"])
    call(linkers, "cc", *lib, "extra-filename=-2", name="cc", manifest=crates["cc"])
    call(linkers, "unused", *lib, "extra-filename=-9", name="unused", manifest=crates["unused"])
    call(linkers, "itoa", *lib, "extra-filename=-3", name="itoa", manifest=crates["itoa"])
    derive = ("--crate-type", "proc-macro", "--extern", "syn=/t/libsyn-1.rlib", "-C", "extra-filename=-4")
    call(linkers, "serde_derive", *derive, name="serde_derive", manifest=crates["serde_derive"])
    needs = ("--extern", "serde_derive=/t/libserde_derive-4.so", "--extern", "itoa=/t/libitoa-3.rmeta")
    call(linkers, "serde", *lib, "extra-filename=-5", *needs, name="serde", manifest=crates["serde"])
    build = ("--crate-type", "bin", "--extern", "cc=/t/libcc-2.rlib", "-C", "extra-filename=-6")
    call(linkers, "build_script_build", *build, name="own", manifest=own)
    final = ("--crate-type", "cdylib", "--extern", "priv:serde=/t/libserde-5.rlib", "-C", "extra-filename=-7")
    call(linkers, "own", *final, name="own", manifest=own)
    parts = found(linkers)
    assert [one["name"] for one in parts.crates] == ["itoa", "serde"]
    assert {(one["sha256"], one["license"]) for one in parts.crates} == {("ab" * 32, "MIT OR Apache-2.0")}
    # Equal texts are there once, and both crates name them.
    assert [one["license_files"] for one in parts.crates] == [
        ["itoa_1.0.0/LICENSE-MIT", "itoa_1.0.0/NOTICE"],
        ["itoa_1.0.0/LICENSE-MIT", "serde_1.0.0/NOTICE"],
    ]
    with zipfile.ZipFile(tmp_path / "texts.zip") as bundle:
        assert bundle.namelist() == ["itoa_1.0.0/LICENSE-MIT", "itoa_1.0.0/NOTICE", "serde_1.0.0/NOTICE"]


def test_what_the_projects_code_wrote_there_is_no_crate(linkers: Path, tmp_path: Path) -> None:
    odd = crate(tmp_path / "crates", "odd", license_="x" * 5000)
    odd.joinpath("LICENSE").symlink_to("/etc/passwd")
    odd.joinpath(".cargo-checksum.json").write_text("[" * 100_000)
    final = ("--crate-type", "cdylib", "-C", "extra-filename=-1")
    call(linkers, "odd", *final, name="odd", manifest=odd)
    call(linkers, "evil", *final, name="../evil\n", manifest=odd)
    linkers.joinpath("a.rustc").write_bytes(b"\0\xff" * 3_000_000)
    linkers.joinpath("b.rustc").write_bytes(b"")
    linkers.joinpath("c.rustc").symlink_to("/dev/zero")
    os.mkfifo(linkers / "d.link")
    linkers.joinpath("e.link").write_bytes(b"OUTPUT x.so\n/usr/lib/../../root/secret.a\n/etc/shadow\n" + b"\xff" * 99)
    parts = found(linkers)
    assert [(one["name"], one["license"], one["sha256"]) for one in parts.crates] == [("odd", None, None)]
    assert parts.crates[0]["license_files"] == ["odd_1.0.0/LICENSE-MIT", "odd_1.0.0/NOTICE"]
    assert parts.archives == []


@needs_compiler
def test_linker_names_the_archives_that_it_took_members_of(tmp_path: Path) -> None:
    variables = watch_linkers(tmp_path / "linkers", ENV)
    env = {**os.environ, **variables}

    def run(*command: str) -> None:
        subprocess.run(command, cwd=tmp_path, env=env, check=True, capture_output=True)

    tmp_path.joinpath("used.c").write_text("int used(void) { return 1; }\n")
    tmp_path.joinpath("other.c").write_text("int other(void) { return 2; }\n")
    tmp_path.joinpath("module.c").write_text("int used(void); int module(void) { return used(); }\n")
    for name in ("used", "other", "module"):
        run("gcc", "-fPIC", "-c", f"{name}.c")
    run("ar", "crs", "libused.a", "used.o")
    run("ar", "crs", "libother.a", "other.o")
    run("gcc", "-shared", "-o", "module.so", "module.o", "libused.a", "libother.a")
    run("gcc", "-shared", "-o", "conftest", "module.o", "libused.a", "libother.a")
    assert subprocess.run(["gcc", "missing.o"], cwd=tmp_path, env=env, capture_output=True, check=False).returncode == 1
    assert not list(tmp_path.glob("linkers/*.map"))
    run("gcc", "-shared", "-o", "absolute.so", "module.o", str(tmp_path / "libused.a"), str(tmp_path / "libother.a"))
    texts = [path.read_text() for path in tmp_path.glob("linkers/*.link")]
    (own,) = [text for text in texts if "OUTPUT absolute.so" in text]
    assert f"{tmp_path}/libused.a\n" in own
    assert "libother.a" not in own
