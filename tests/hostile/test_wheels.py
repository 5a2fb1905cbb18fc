"""Hostile wheels against the worker's own reading: refused by name, and nothing of theirs is unpacked."""

import copy
import re
import zipfile
from pathlib import Path

import pytest
from tests.hostile.corpus import WHEELS, Attack
from tests.hostile.wheel_parts import wheel_with, zipped
from tests.unit.pipeline_harness import PURE, make_wheel, order_for

from wheelyard.domain.comparison.wheels import compare_wheels
from wheelyard.domain.healing.wheel_claims import REMEDIES
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.wheel_files.compared import explain_bytes, read_facts
from wheelyard.wheel_files.reader import RefusedWheelError, check_wheel

AT_READING = {name: attack for name, attack in WHEELS.items() if attack.refused and "STAGE" not in attack.facts}
LATER = {name: attack for name, attack in WHEELS.items() if name not in AT_READING}

KINDS = {
    "zip-ambiguous": (
        "absolute_path backslash bomb bytes_behind_the_directory bytes_between_members case_collision "
        "deep_path device drive duplicate_member file_and_folder header_with_another_size hidden_member "
        "long_name many_members member_with_two_names name_with_nul normal_form_collision odd_path "
        "overlapping_members path_escape pipe reversed_name setuid_program symbolic_link terminal_escapes "
    ),
    "scripts-invalid": (
        "data_in_place_of_python entry_point_in_place_of_python script_in_place_of_python script_outside "
    ),
    "foreign-folder": (
        "data_into_site_packages data_of_another_project data_over_the_standard_library "
        "finder_of_an_editable_install headers_of_another_project metadata_as_an_egg metadata_below_data "
        "metadata_in_a_folder_of_its_own metadata_of_its_own_twice other_projects_metadata settings_of_pip "
        "two_members_in_one_place unknown_scheme "
    ),
    "metadata-mismatch": (
        "endless_requirements huge_metadata name_twice other_name other_tags other_version tags_that_multiply "
        "version_twice "
    ),
    "record-mismatch": (
        "record_twice record_with_a_ghost record_with_weak_hash record_with_wrong_hash record_without_a_file "
    ),
    "wheel-unreadable": ("entry_points_without_encoding name_without_encoding tags_without_encoding wrong_checksum "),
}
"""The attacks by the kind of their refusal."""
KIND_OF = {name: kind for kind, names in KINDS.items() for name in names.split()}


def test_each_attack_at_reading_has_a_kind() -> None:
    assert set(KIND_OF) == set(AT_READING)


@pytest.mark.parametrize("attack", AT_READING.values(), ids=AT_READING)
def test_wheel_is_refused_by_name(attack: Attack, tmp_path: Path) -> None:
    path = tmp_path / PURE
    path.write_bytes(attack.act("make")())
    with pytest.raises(RefusedWheelError, match=re.escape(attack.said)) as caught:
        check_wheel(path, order_for())
    assert caught.value.kind == KIND_OF[attack.name]
    assert caught.value.kind in REMEDIES
    assert len(str(caught.value)) < 1000
    assert str(caught.value).isprintable()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("attack", LATER.values(), ids=LATER)
def test_wheel_whose_fault_shows_later_is_read(attack: Attack, tmp_path: Path) -> None:
    (tmp_path / PURE).write_bytes(attack.act("make")())
    assert check_wheel(tmp_path / PURE, order_for()).size_bytes > 0


@pytest.mark.parametrize(
    "name", ["demo.pth", "sitecustomize.py", "usercustomize/__init__.py", "demo-1.0.data/purelib/x.pth"]
)
def test_wheel_that_runs_at_every_start_is_told(name: str, tmp_path: Path) -> None:
    (tmp_path / PURE).write_bytes(wheel_with(**{name: b"import os"}))
    assert [file.name for file in check_wheel(tmp_path / PURE, order_for()).startup.files] == [name]


def test_ordinary_wheel_is_accepted(tmp_path: Path) -> None:
    (tmp_path / PURE).write_bytes(make_wheel())
    assert check_wheel(tmp_path / PURE, order_for()).startup.files == ()


def test_more_start_up_files_than_any_project_has_are_refused(tmp_path: Path) -> None:
    (tmp_path / PURE).write_bytes(wheel_with(**{f"demo{number}.pth": b"import os" for number in range(51)}))
    with pytest.raises(RefusedWheelError) as caught:
        check_wheel(tmp_path / PURE, order_for())
    assert caught.value.kind == "startup-code"


def test_refusal_keeps_its_kind_between_processes(tmp_path: Path) -> None:
    (tmp_path / PURE).write_bytes(b"PK")
    with pytest.raises(RefusedWheelError) as caught:
        check_wheel(tmp_path / PURE, order_for())
    copied = copy.copy(caught.value)  # as pickle does it
    assert (str(copied), copied.kind) == (str(caught.value), "wheel-unreadable")


def test_wheel_that_lists_its_folders_is_accepted(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("demo-1.0.data/scripts/")
    (tmp_path / PURE).write_bytes(zipped((zipfile.ZipInfo("demo-1.0.data/"), b""), (info, b"")))
    assert check_wheel(tmp_path / PURE, order_for()).requires_dist == ()


@pytest.mark.parametrize("attack", WHEELS.values(), ids=WHEELS)
def test_wheel_is_compared_or_refused_in_words(attack: Attack, tmp_path: Path) -> None:
    path, sound = tmp_path / PURE, tmp_path / "sound" / PURE
    sound.parent.mkdir()
    sound.write_bytes(make_wheel())
    path.write_bytes(attack.act("make")())
    refusal, compared = "", None
    try:
        compared = compare_wheels(read_facts(path), read_facts(sound), None)
        explain_bytes(path, sound)
    except RefusedTextError as error:
        refusal = str(error)
    assert len(refusal) < 1000
    assert refusal.isprintable()
    assert refusal or (compared is not None and compared.differences)
    assert sorted(tmp_path.iterdir()) == [path, sound.parent]
