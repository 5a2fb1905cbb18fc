"""The agent's part in toolchains and crates: which manifests it finds, and what it thinks of a toolchain."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from wheelyard_agent.channel import Channel
from wheelyard_agent.crates import provide_crates
from wheelyard_agent.job import JobError
from wheelyard_agent.toolchains import open_toolchains

ENV = {"PATH": "/usr/bin:/bin"}
VENDORED = '[source.crates-io]\nreplace-with = "mine"\n[source.mine]\ndirectory = "vendor"\n'


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    fact = {"version_command": ["echo", "rustc 1.96.0 (ac68faa20 2026-05-25)"], "env": {"RUST_BACKTRACE": "1"}}
    (tmp_path / "rust.json").write_text(json.dumps(fact))
    return tmp_path


@pytest.mark.parametrize("need", ["rust", "rust>=1.9", "rust>=1.96.0"])
def test_toolchain_that_will_do_gives_its_variables(facts: Path, need: str) -> None:
    assert open_toolchains([need], env=ENV, facts=facts) == {"RUST_BACKTRACE": "1"}


@pytest.mark.parametrize(("need", "have"), [("rust>=1.97", "1.96.0"), ("rust>=2", "1.96.0"), ("java", "none")])
def test_toolchain_that_is_too_old_or_missing_is_a_failure(facts: Path, need: str, have: str) -> None:
    with pytest.raises(JobError) as caught:
        open_toolchains([need], env=ENV, facts=facts)
    assert (caught.value.code, caught.value.details["have"]) == ("toolchain-too-old", have)


class Harness:
    """An unpacked sdist, and a worker that answers with one crate."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.source = folder, folder / "src"
        self.sink = io.BytesIO()
        crates = io.BytesIO()
        with tarfile.open(fileobj=crates, mode="w:gz") as tar:
            member = tarfile.TarInfo("itoa-1.0.0")
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)
        data = crates.getvalue()
        header = json.dumps({"kind": "file", "name": "crates.tar.gz", "size": len(data)}).encode()
        answer = json.dumps({"kind": "supply", "crates": "crates.tar.gz"}).encode()
        self.channel = Channel(io.BytesIO(header + b"\n" + data + answer + b"\n"), self.sink)

    def add(self, path: str, text: str = "") -> None:
        file = self.source / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def ask(self) -> dict[str, Any] | None:
        provide_crates(self.channel, self.source, self.folder / "in", self.folder)
        text = self.sink.getvalue()
        return json.loads(text) if text else None


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    (tmp_path / "src").mkdir()
    return Harness(tmp_path)


def test_manifests_are_asked_for_and_cargo_is_told_where_the_crates_are(harness: Harness) -> None:
    harness.add("Cargo.toml", "[workspace]")
    harness.add("Cargo.lock", "version = 4")
    harness.add("a/Cargo.toml", "[package]")
    harness.add("rust-toolchain.toml", "[toolchain]")
    harness.add(".cargo/config.toml", "[build]\nrustc-wrapper = 'evil'")
    asked = harness.ask()
    assert asked == {
        "kind": "need",
        "what": "crates",
        "files": {"Cargo.toml": "[workspace]", "Cargo.lock": "version = 4", "a/Cargo.toml": "[package]"},
        "named": [],
    }
    assert (harness.folder / "crates" / "itoa-1.0.0").is_dir()
    config = (harness.folder / "home" / ".cargo" / "config.toml").read_text()
    assert f'directory = "{harness.folder}/crates"' in config
    assert "offline = true" in config
    assert not (harness.folder / "in" / "crates.tar.gz").exists()


def test_manifests_that_backends_are_told_to_build_are_named(harness: Harness) -> None:
    harness.add("rust/Cargo.toml")
    harness.add("other/Cargo.toml")
    harness.add(
        "pyproject.toml",
        '[tool.maturin]\nmanifest-path = "./rust/Cargo.toml"\n'
        '[[tool.setuptools-rust.ext-modules]]\npath = "other/Cargo.toml"\n'
        '[[tool.setuptools-rust.bins]]\npath = "gone/Cargo.toml"\n',
    )
    asked = harness.ask()
    assert asked is not None
    assert asked["named"] == ["other/Cargo.toml", "rust/Cargo.toml"]


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"Cargo.toml": "", ".cargo/config.toml": VENDORED, "vendor/itoa/Cargo.toml": ""},
        {"Cargo.toml": "", ".cargo/config": VENDORED},
        {"vendor/itoa/Cargo.toml": "", "vendor/itoa/.cargo-checksum.json": "{}"},
    ],
)
def test_sdist_without_crates_to_fetch_asks_for_nothing(harness: Harness, files: dict[str, str]) -> None:
    for path, text in files.items():
        harness.add(path, text)
    assert harness.ask() is None


@pytest.mark.parametrize("text", ["[", "tool = 1", "[tool]\nmaturin = 1\nsetuptools-rust.bins = [1]"])
def test_pyproject_that_makes_no_sense_names_nothing(harness: Harness, text: str) -> None:
    harness.add("Cargo.toml")
    harness.add(".cargo/config.toml", "source = 1")
    harness.add("pyproject.toml", text)
    asked = harness.ask()
    assert asked is not None
    assert asked["named"] in ([], ["Cargo.toml"])


def test_manifests_beyond_what_a_message_holds_are_refused(harness: Harness) -> None:
    harness.add("Cargo.toml", "#" * 2_000_000)
    with pytest.raises(JobError) as caught:
        harness.ask()
    assert caught.value.code == "crates-refused"
