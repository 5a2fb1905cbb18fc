"""What imported code leaves in a tree is removed; what it changed of what was there is told, however it was done."""

import mmap
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wheelyard_agent.sealed_tree import SealedTree, describe_changes


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "a.py").write_text("a = 1\n")
    (tmp_path / "demo" / "link").symlink_to("a.py")
    (tmp_path / "empty").mkdir()
    return tmp_path


def write_mapped(root: Path) -> None:
    """Write to a file without the kernel noting the time, as mappings on tmpfs do."""
    path = root / "demo" / "a.py"
    times = path.stat()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[0:1] = b"b"
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def relink(root: Path) -> None:
    (root / "demo" / "link").unlink()
    (root / "demo" / "link").symlink_to("/")


def put_pipe(root: Path) -> None:
    (root / "demo" / "a.py").unlink()
    os.mkfifo(root / "demo" / "a.py")


CHANGES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "written": (lambda root: (root / "demo" / "a.py").write_text("b = 2\n"), ["demo/a.py"]),
    "mapped": (write_mapped, ["demo/a.py"]),
    "newer": (lambda root: os.utime(root / "demo" / "a.py", (1, 1)), ["demo/a.py"]),
    "gone": (lambda root: (root / "demo" / "a.py").unlink(), ["demo/a.py"]),
    "relinked": (relink, ["demo/link"]),
    "moved": (lambda root: (root / "demo").rename(root / "other"), ["demo", "demo/a.py", "demo/link"]),
    "closed": (lambda root: (root / "demo").chmod(0), ["demo"]),
    "unreadable": (lambda root: (root / "demo" / "a.py").chmod(0), ["demo/a.py"]),
    "replaced by a pipe": (put_pipe, ["demo/a.py"]),
}


@pytest.mark.parametrize(("change", "found"), CHANGES.values(), ids=CHANGES)
def test_change_of_what_was_there_is_told(tree: Path, change: Callable[[Path], object], found: list[str]) -> None:
    seal = SealedTree([tree])
    assert seal.restore() == []
    change(tree)
    told = [os.path.relpath(path, tree) for path in seal.restore()]
    (tree / "demo").chmod(0o755) if (tree / "demo").exists() else None
    assert set(found) <= set(told)


def add_everything(root: Path) -> None:
    (root / "sitecustomize.py").write_text("import os")
    (root / "demo" / "__pycache__").mkdir()
    (root / "demo" / "__pycache__" / "a.cpython-313.pyc").write_bytes(b"x")
    (root / "empty" / "away").symlink_to("/")
    os.mkfifo(root / "pipe")
    (root / "deep" / "closed").mkdir(parents=True)
    (root / "deep" / "closed" / "file").touch()
    (root / "deep" / "closed").chmod(0)
    (root / "deep").chmod(0)
    (root / os.fsdecode(b"not \xff text")).touch()


def test_all_that_was_added_is_removed(tree: Path) -> None:
    seal = SealedTree([tree])
    before = sorted(tree.rglob("*"))
    add_everything(tree)
    assert seal.restore() == []
    assert sorted(tree.rglob("*")) == before
    assert Path("/").is_dir()


def refuse(path: Path) -> None:
    raise PermissionError(path)


def test_what_cannot_be_removed_is_told(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seal = SealedTree([tree])
    (tree / "stays").touch()
    monkeypatch.setattr(Path, "unlink", refuse)
    assert seal.restore() == [str(tree / "stays")]


names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20).filter(
    lambda name: name not in {".", ".."} and len(name.encode()) < 200
)


@given(added=st.dictionaries(names, st.none() | st.binary(max_size=20), max_size=5))
def test_any_added_name_is_removed(tmp_path_factory: pytest.TempPathFactory, added: dict[str, bytes | None]) -> None:
    root = tmp_path_factory.mktemp("tree")
    (root / "kept").mkdir()
    seal = SealedTree([root])
    for name, content in added.items():
        path = root / "kept" / name
        path.mkdir() if content is None else path.write_bytes(content)
    assert seal.restore() == []
    assert [path.name for path in root.rglob("*")] == ["kept"]


def test_changes_are_named_by_their_place_in_site_packages(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    changes = [f"{site}/demo.py", f"{tmp_path}/other", f"{site}/a\x1b\udcff.py", f"{site}/b", f"{site}/c"]
    named = describe_changes(changes, site)
    assert named == f"demo.py, {tmp_path}/other, a\\x1b\\udcff.py and 2 more"
