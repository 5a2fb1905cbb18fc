"""A build gets the stages that its target is made from, and no others; comments change no definition."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from wheelyard.adapters.images.build import fill_in_arguments, replace_stage, select_stages
from wheelyard.domain.catalogue.catalogue import parse_catalogue
from wheelyard.domain.catalogue.definition import (
    DefinitionFacts,
    builder_definition,
    python_definition,
    runtime_definition,
)

BUILDERS = Path(__file__).parents[3] / "builders"
DOCKERFILE = (BUILDERS / "Dockerfile").read_text()
CROSS = (BUILDERS / "cross.Dockerfile").read_text()
MADE = {"BASE": "b:1", "PYTHONS": "p:1"}


def stages_of(dockerfile: str) -> list[str]:
    return re.findall(r"^FROM \S+ AS (\S+)$", dockerfile, re.MULTILINE)


@pytest.mark.parametrize(
    ("target", "arguments", "stages"),
    [
        ("bare", {}, ["base", "bare"]),
        ("python", {}, ["base", "bare", "toolchain", "python"]),
        ("runtime", {}, ["base", "bare", "toolchain", "python", "pythons", "trimmed", "runtime"]),
        ("runtime", MADE, ["base", "bare", "pythons", "trimmed", "runtime"]),
        ("runtime", MADE | {"BARE": "d:1"}, ["pythons", "trimmed", "runtime"]),
        ("builder", MADE | {"TOOLCHAIN": "d:1"}, ["pythons", "tools", "builder"]),
        ("builder", MADE, ["base", "bare", "toolchain", "pythons", "tools", "builder"]),
    ],
)
def test_target_gets_the_stages_that_it_is_made_from(target: str, arguments: dict[str, str], stages: list[str]) -> None:
    chosen = select_stages(DOCKERFILE, target, arguments)
    assert stages_of(chosen) == stages
    assert chosen.startswith(DOCKERFILE.partition("\nFROM ")[0])


def test_stage_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match="no stage 'slim', only base, bare, toolchain, python"):
        select_stages(DOCKERFILE, "slim", {})


def test_stage_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no name: FROM scratch"):
        select_stages("ARG BASE\nFROM scratch\nRUN true\n", "base", {})


@pytest.mark.parametrize("stage", ["base", "bare", "toolchain", "python"])
def test_revision_comes_before_the_first_package_of_each_stage(stage: str) -> None:
    text = DOCKERFILE.partition(f" AS {stage}\n")[2].partition("\nFROM ")[0]
    assert -1 < text.index("\nARG REVISION\n") < text.index("apt-get")


def test_comment_makes_no_image_anew() -> None:
    catalogue = parse_catalogue((BUILDERS / "builders.toml").read_text())
    facts = DefinitionFacts(dockerfile=DOCKERFILE, tools_lock="build==1", architecture="x86_64")
    said = replace(facts, dockerfile=f"# More to know.\n{DOCKERFILE}")
    done = replace(facts, dockerfile=DOCKERFILE.replace("apt-get upgrade", "apt-get dist-upgrade"))
    for define in (python_definition, runtime_definition, builder_definition):
        digests = [define(catalogue, one, suite="bookworm", python="3.13") for one in (facts, said, done)]
        assert digests[0] == digests[1] != digests[2]


def test_arguments_become_parts_of_the_commands_that_use_them() -> None:
    text = (
        "ARG BASE\nFROM ${BASE} AS one\nARG A\nRUN set -eu; \\\n    echo ${A}\n"
        "ARG B=2\nENV P=/${A}/${B}:${HOME}\nRUN echo\n"
        "FROM one AS two\nRUN echo ${A}\n"
    )
    assert fill_in_arguments(text, {"A": "it's", "BASE": "b:1"}) == (
        "ARG BASE\nFROM ${BASE} AS one\nRUN export A='it'\"'\"'s'; set -eu; \\\n    echo ${A}\n"
        "ENV P=/it's/2:${HOME}\nRUN export A='it'\"'\"'s' B=2; echo\n"
        "FROM one AS two\nRUN echo ${A}\n"
    )


def test_another_revision_is_another_command_for_every_stage_that_installs_packages() -> None:
    one, other = (fill_in_arguments(DOCKERFILE, {"REVISION": revision}) for revision in ("", "20261203T000000"))
    for stage in ("base", "bare", "toolchain", "python"):
        texts = [text.partition(f" AS {stage}\n")[2].partition("\nFROM ")[0] for text in (one, other)]
        commands = [next(line for line in text.splitlines() if line.startswith("RUN ")) for text in texts]
        assert commands[0] != commands[1]
    assert "\nARG REVISION" not in one


def test_cross_compilation_replaces_the_compilers_and_leaves_the_compilation() -> None:
    replaced = replace_stage(DOCKERFILE, CROSS)
    native, cross = (select_stages(text, "python", {"NATIVE": "n:1"}) for text in (DOCKERFILE, replaced))
    assert stages_of(cross) == ["toolchain", "python"]
    assert cross.partition(" AS python\n")[2] == native.partition(" AS python\n")[2]
    assert "FROM ${NATIVE} AS toolchain\n" in cross
    with pytest.raises(ValueError, match="no stage 'slim'"):
        replace_stage(DOCKERFILE, "FROM scratch AS slim\n")


def test_cross_compilation_is_part_of_emulated_architectures_alone() -> None:
    catalogue = parse_catalogue((BUILDERS / "builders.toml").read_text())

    def define(architecture: str, cross: str) -> str:
        facts = DefinitionFacts(dockerfile=DOCKERFILE, tools_lock="build==1", architecture=architecture, cross=cross)
        return python_definition(catalogue, facts, suite="bookworm", python="3.13")

    assert define("x86_64", CROSS) == define("x86_64", "")
    assert define("aarch64", CROSS) != define("aarch64", CROSS + "RUN true\n")
    assert define("aarch64", CROSS) == define("aarch64", "# A comment.\n" + CROSS)
