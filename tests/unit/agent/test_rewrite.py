"""A wheel written anew differs in what was to be changed, and its RECORD is true."""

import zipfile
from pathlib import Path

from tests.unit.pipeline_harness import pack_wheel

from wheelyard.wheel_files.reader import check_wheel
from wheelyard_agent.rewrite import info_folder, rewrite_wheel, signatures

NAME = "demo-1.0-py3-none-any.whl"
INFO = "demo-1.0.dist-info"
METADATA = {f"{INFO}/METADATA": b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n"}


def test_changed_member_has_a_true_line_in_the_record_and_the_others_are_as_before(tmp_path: Path) -> None:
    wheel = tmp_path / NAME
    wheel.write_bytes(pack_wheel(NAME, {**METADATA, "a, b.py": b"1", "demo/run": b"2"}))
    copy = rewrite_wheel(wheel, tmp_path / "new", {"a, b.py": b"changed"})
    assert check_wheel(copy).filename == NAME
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(copy) as new:
        assert new.namelist() == old.namelist()
        assert (new.read("a, b.py"), new.read("demo/run")) == (b"changed", b"2")
        kept = [(one.external_attr, one.date_time, one.compress_type) for one in old.infolist()]
        assert [(one.external_attr, one.date_time, one.compress_type) for one in new.infolist()] == kept


def test_signatures_of_the_record_are_found_and_left_out(tmp_path: Path) -> None:
    wheel = tmp_path / NAME
    wheel.write_bytes(pack_wheel(NAME, {**METADATA, f"{INFO}/RECORD.jws": b"{}", "demo.py": b""}))
    assert (info_folder(wheel), signatures(wheel)) == (INFO, [f"{INFO}/RECORD.jws"])
    copy = rewrite_wheel(wheel, tmp_path / "new", {}, dropped=signatures(wheel))
    assert signatures(copy) == []
    assert check_wheel(copy).filename == NAME
