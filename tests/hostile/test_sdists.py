"""Hostile sdists against the agent's own unpacking, and against what reads them on the host as data.

The first refuses them by name and writes nothing beside the folder; the others write nothing at all.
"""

import stat
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from tests.hostile.corpus import SDISTS, Attack
from tests.hostile.sdist_parts import MARK, Archive, file, tar_of

from wheelyard.adapters.resolver.sdists import read_needs, read_sdist, read_sdist_metadata, read_sdist_pyproject
from wheelyard.errors import InvalidSdistError
from wheelyard_agent import sdist
from wheelyard_agent.job import JobError
from wheelyard_agent.refusals import LIMIT_OF
from wheelyard_agent.sdist import unpack_sdist

LITTLE = 64 << 20
"""What reading an archive on the host may keep in memory, in bytes."""
REFUSED = {name: attack for name, attack in SDISTS.items() if attack.refused}
HARMLESS = {name: attack for name, attack in SDISTS.items() if not attack.refused}
COSTLY = {name: attack for name, attack in SDISTS.items() if "ON_HOST" in attack.facts}


def failure_of(archive: Path, where: Path) -> tuple[str, str]:
    """Give the code that the agent's main program would report, and what the worker would say of it."""
    try:
        unpack_sdist(archive, where)
    except JobError as error:
        return error.code, str(InvalidSdistError(file=archive.name, reason=str(error.details["reason"])))
    except OSError as error:
        return LIMIT_OF[error.errno or 0], str(error)
    return "accepted", ""


def put(made: Archive, folder: Path) -> Path:
    name, content = made
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.parametrize("attack", REFUSED.values(), ids=REFUSED)
def test_sdist_is_refused_and_writes_nothing_outside(attack: Attack, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    archive = put(attack.act("make")(), inner)
    code, said = failure_of(archive, inner / "src")
    assert code == attack.refused
    assert code == "disk-limit" or attack.said in said
    assert {path.name for path in inner.iterdir()} == {archive.name, "src"}
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]
    assert not Path("/tmp", MARK).exists()  # noqa: S108


@pytest.mark.parametrize("attack", HARMLESS.values(), ids=HARMLESS)
def test_sdist_is_unpacked_without_harm(attack: Attack, tmp_path: Path) -> None:
    source, _ = unpack_sdist(put(attack.act("make")(), tmp_path), tmp_path / "src")
    special = stat.S_ISUID | stat.S_ISGID
    assert not [path for path in source.rglob("*") if path.is_file() and path.stat().st_mode & special]
    assert all(path.is_relative_to(source) for path in source.rglob("*"))


@pytest.mark.parametrize("attack", SDISTS.values(), ids=SDISTS)
def test_reading_on_the_host_writes_nothing_and_keeps_little(attack: Attack, tmp_path: Path) -> None:
    archive = put(attack.act("make")(), tmp_path)
    tracemalloc.start()
    try:
        with suppress(InvalidSdistError):
            assert not any("root:" in text for text in read_sdist(archive, filename=archive.name).texts.values())
        assert read_needs(archive) == ()
        assert read_sdist_metadata(archive) is None
        assert b"root:" not in (read_sdist_pyproject(archive) or b"")
        assert tracemalloc.get_traced_memory()[1] < LITTLE
    finally:
        tracemalloc.stop()
    assert list(tmp_path.iterdir()) == [archive]
    assert not Path("/tmp", MARK).exists()  # noqa: S108


@pytest.mark.parametrize("attack", COSTLY.values(), ids=COSTLY)
def test_header_that_takes_memory_is_refused_on_the_host(attack: Attack, tmp_path: Path) -> None:
    archive = put(attack.act("make")(), tmp_path)
    with pytest.raises(InvalidSdistError, match=str(attack.facts["ON_HOST"])):
        read_sdist(archive, filename=archive.name)


def test_members_in_a_circle_are_not_gone_through_again_and_again(tmp_path: Path) -> None:
    archive = put(SDISTS["members_in_a_circle"].act("make")(), tmp_path)
    reason = ""
    try:
        read_sdist(archive, filename=archive.name)
    except InvalidSdistError as error:
        reason = error.reason
    assert "has more than" not in reason


def test_sdist_of_too_many_members_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdist, "_MAX_MEMBERS", 3)
    archive = put(tar_of(*(file(f"demo-1.0/{number}") for number in range(5))), tmp_path)
    with pytest.raises(JobError) as caught:
        unpack_sdist(archive, tmp_path / "src")
    assert "more than 3 members" in str(caught.value.details["reason"])
