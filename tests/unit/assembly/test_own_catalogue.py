"""An operator's own catalogue is laid over the built-in one; a broken one is told by its file and its key."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wheelyard.assembly.host_checks import try_catalogue
from wheelyard.assembly.images import image_builder
from wheelyard.assembly.parts import Parts
from wheelyard.assembly.worker import worker_registration
from wheelyard.cli.problem import exit_code_of
from wheelyard.domain.catalogue.definition import builder_definition
from wheelyard.domain.packaging.target import Target
from wheelyard.errors import CatalogueInvalidError
from wheelyard.settings import Settings

OWN = """
schema = 1

[[python."3.12".source]]
version = "3.12.9"
sha256 = "7220835d9f90b37c006e9842a8dff4580aaca4318674f947302b8d28f3f81112"
file = "Python-3.12.9.tar.xz"
mirrors = ["https://mirror.test/Python-3.12.9.tar.xz"]

[suite.bookworm]
pythons = ["3.13", "3.12"]

[suite.noble]
policy = "manylinux_2_39"
architectures = ["x86_64", "aarch64"]
pythons = ["3.13", "3.12"]
components = ["main", "universe"]
packages = { runtime = ["libssl3t64"], build = ["gcc"], python = ["libssl-dev"] }

[toolchain.fortran.suite]
noble = { version = "13.2", apt = ["gfortran"] }
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    own = tmp_path / "own.toml"
    own.write_text(OWN)
    return Settings(state_dir=tmp_path / "state", catalogue=own)


def problems_of(settings: Settings, text: str) -> str:
    assert settings.catalogue is not None
    settings.catalogue.write_text(text)
    with pytest.raises(CatalogueInvalidError) as caught:
        _ = Parts(settings).catalogue
    assert caught.value.source == str(settings.catalogue)
    assert str(settings.catalogue) in caught.value.summary
    return "\n".join(caught.value.problems)


def test_own_file_adds_a_python_and_a_suite(settings: Settings) -> None:
    both, shipped = Parts(settings).catalogue, Parts(Settings()).catalogue
    target = Target.parse(python="3.12", platform="manylinux_2_39_x86_64")
    assert both.builder_for(target).suite == "noble"
    assert both.suite["bookworm"].pythons == ("3.13", "3.12")
    assert both.own_suites["bookworm"].packages == shipped.own_suites["bookworm"].packages
    assert set(both.toolchain["fortran"].suite) == {*shipped.toolchain["fortran"].suite, "noble"}  # type: ignore[index]
    assert both.suite["trixie"] == shipped.suite["trixie"]


async def test_own_file_changes_no_definition_that_it_says_nothing_about(settings: Settings) -> None:
    facts = await image_builder(Parts(settings)).definition_facts()
    one, other = (
        builder_definition(Parts(read).catalogue, facts, suite="bookworm", python="3.13")
        for read in (settings, Settings())
    )
    assert one == other


async def test_images_lanes_and_doctor_know_what_the_own_file_adds(settings: Settings) -> None:
    assert (await image_builder(Parts(settings)).plan("noble")).pythons("3.12") == ("3.13", "3.12")
    assert {"noble", "bookworm"} <= {
        lane.suite for lane in worker_registration(Parts(settings)).lanes if lane.python == "3.12"
    }
    assert "noble" in try_catalogue(settings.catalogue).found


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("policy =", "polcy =", r"suite\.noble\.polcy: unknown key, did you mean 'policy'\?"),
        ('"3.12"]\ncomp', '"3.10"]\ncomp', r"suite\.noble\.pythons: unknown Python '3\.10'"),
        ("schema = 1", "", "schema: it is missing"),
        ("schema = 1", "schema = 2", "schema: "),
        ("schema = 1", "schema = ", "it is not TOML"),
        ('sha256 = "7220', 'sha256 = "XX20', r"python\.3\.12\.source\.0\.sha256: "),
        ("[toolchain.fortran.suite]\nnoble", "[toolchain.fortran.suite]\nnobel", "unknown suite 'nobel'"),
    ],
)
def test_mistake_in_the_own_file_is_told_by_its_file_and_its_key(
    settings: Settings, old: str, new: str, problem: str
) -> None:
    assert old in OWN
    assert re.search(problem, problems_of(settings, OWN.replace(old, new)))


def test_entry_of_another_kind_takes_nothing_over(settings: Settings) -> None:
    foreign = (
        'schema = 1\n[suite.bullseye]\nkind = "image"\npolicy = "manylinux_2_28"\narchitectures = ["x86_64"]\n'
        'pythons = ["3.13"]\nimage = "mirror.test/manylinux_2_28"\npackage-manager = "dnf"\n'
    )
    assert settings.catalogue is not None
    settings.catalogue.write_text(foreign)
    assert Parts(settings).catalogue.suite["bullseye"].warning == ""
    assert "bullseye" not in Parts(settings).catalogue.own_suites


def test_file_that_cannot_be_read_is_told(settings: Settings) -> None:
    lost = settings.model_copy(update={"catalogue": Path("/nowhere/own.toml")})
    with pytest.raises(CatalogueInvalidError, match=r"/nowhere/own\.toml .*it cannot be read: No such file"):
        _ = Parts(lost).catalogue
    assert settings.catalogue is not None
    settings.catalogue.write_bytes(b"\xff\xfe")
    with pytest.raises(CatalogueInvalidError, match="not UTF-8"):
        _ = Parts(settings).catalogue


@pytest.mark.parametrize("command", [["worker"], ["builders", "list"]])
def test_broken_file_ends_the_start_with_its_name_and_key(settings: Settings, command: list[str]) -> None:
    assert settings.catalogue is not None
    settings.catalogue.write_text(OWN.replace("policy =", "polcy ="))
    elsewhere = {
        "WHEELYARD_CATALOGUE": str(settings.catalogue),
        "WHEELYARD_STATE_DIR": str(settings.state_dir),
        "WHEELYARD_DATABASE_URL": "postgresql://db.test/wheelyard",
        "WHEELYARD_INDEX_URL": "http://index.test",
        "WHEELYARD_INDEX_PASSWORD": "secret",
        "PATH": os.environ["PATH"],
    }
    program = [sys.executable, "-m", "wheelyard", *command]
    ended = subprocess.run(program, env=elsewhere, capture_output=True, text=True, check=False)
    assert ended.returncode == exit_code_of(CatalogueInvalidError)
    assert re.search(r"own\.toml cannot be used: .*suite\.noble\.polcy", ended.stderr.replace("\n", " "))
    assert "Traceback" not in ended.stderr
