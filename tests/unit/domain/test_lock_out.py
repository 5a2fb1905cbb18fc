"""Lock files that install from our index: its files in the place of those that they had, and all else as it was."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from packaging.pylock import Pylock
from packaging.utils import canonicalize_name
from packaging.version import Version
from tests.unit.lock_samples import POETRY_LOCK, PYLOCK, UV_LOCK

from wheelyard.adapters.resolver.requirements import parse_requirements
from wheelyard.domain.dependencies.files import InputKind
from wheelyard.domain.dependencies.lock_out import Release, ServedReleases, ServedWheel, lock_to_index
from wheelyard.domain.dependencies.requirements_file import RequirementLine
from wheelyard.domain.packaging.target import Target
from wheelyard.errors import DependencyFileInvalidError

INDEX = "https://wheels.example.com/simple/"
UPSTREAM = "sha256:" + "a" * 64
TARGETS = {
    (python, floor): Target.parse(python=python, platform=f"manylinux_{floor}_x86_64")
    for python in ("3.11", "3.13")
    for floor in ("2_31", "2_36")
}


def wheel(filename: str, digit: str, *targets: Target) -> ServedWheel:
    url = f"https://wheels.example.com/files/{filename}"
    return ServedWheel(filename=filename, url=url, sha256=digit * 64, size_bytes=12, targets=targets)


OLD, NEW = (
    wheel(
        f"psycopg2-2.9.13-1.bullseye-{tag}-{tag}-manylinux_2_17_x86_64.whl",
        digit,
        TARGETS[python, "2_31"],
        TARGETS[python, "2_36"],
    )
    for tag, python, digit in (("cp311", "3.11", "c"), ("cp313", "3.13", "d"))
)


def served(wheels: Mapping[str, list[ServedWheel]], **changes: object) -> ServedReleases:
    releases: dict[Release, list[ServedWheel]] = {}
    for name, files in wheels.items():
        project, _, version = name.partition("==")
        releases[canonicalize_name(project), Version(version)] = files
    everything = ServedReleases(
        simple_url=INDEX,
        files_url="https://wheels.example.com/files/",
        wheels=releases,
        pythons=dict.fromkeys(releases, ("3.11", "3.13")),
    )
    return replace(everything, **changes)  # type: ignore[arg-type]


PSYCOPG2 = served({"Psycopg2==2.9.13": [OLD, NEW]})


def locked(kind: InputKind, text: str, index: ServedReleases = PSYCOPG2, project: str = "") -> str:
    name = kind.value
    files = {"pyproject.toml": project, name: text} if project else {name: text}
    return lock_to_index(kind, files, index, start=name, parse_lines=parse_requirements)[name]


def hashes_of(text: str) -> dict[str, tuple[str, ...]]:
    lines = (line for line in parse_requirements(text) if isinstance(line, RequirementLine))
    return {str(line.requirement): line.hashes for line in lines}


OURS = (f"sha256:{OLD.sha256}", f"sha256:{NEW.sha256}")


@pytest.mark.parametrize(
    "line",
    [
        f"psycopg2==2.9.13 --hash={UPSTREAM}",
        f"psycopg2==2.9.13 \\\n    --hash={UPSTREAM} \\\n    --hash=sha256:{'b' * 64}",
        f"psycopg2==2.9.13 --hash={UPSTREAM}  # why",
        f"Psycopg2 == 2.9.13 ; python_version >= '3.8' \\\n    --hash {UPSTREAM}",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\n    # via application\n", f"\nsix==1.17.0 --hash={UPSTREAM}"])
def test_requirement_gets_the_hashes_of_what_the_index_serves_and_no_other(line: str, end: str) -> None:
    text = f"# comment\nidna==3.20 --hash={UPSTREAM}\n{line}{end}"
    written = locked(InputKind.REQUIREMENTS, text)
    assert written.startswith(f"--index-url {INDEX}\n# comment\n")
    found = hashes_of(written)
    assert found["idna==3.20"] == (UPSTREAM,), "our index does not serve it: installing it fails, which is right"
    (ours,) = [hashes for requirement, hashes in found.items() if "2.9.13" in requirement]
    assert ours == OURS
    assert ("python_version" in written) == ("python_version" in line)
    assert ("# why" in written) == ("# why" in line)
    assert ("# via application" in written) == ("via" in end)


@pytest.mark.parametrize("end", ["", "\n"])
def test_requirement_that_goes_on_where_the_file_ends_gets_our_hashes_too(end: str) -> None:
    written = locked(InputKind.REQUIREMENTS, f"psycopg2==2.9.13 \\\n    --hash={UPSTREAM} \\{end}")
    assert hashes_of(written) == {"psycopg2==2.9.13": OURS}


def test_other_indexes_are_taken_out_of_requirements() -> None:
    options = [
        *(
            "--index-url https://index.example/simple",
            "--extra-index-url=https://x/simple",
            "-i https://y",
            "-f ./links",
        ),
        *("--find-links https://z", "--no-index", "--pre", "--prefer-binary -i https://y", "-i \\\n  https://a  # why"),
    ]
    written = locked(InputKind.REQUIREMENTS, "\n".join([*options, f"psycopg2==2.9.13 --hash={UPSTREAM}", ""]))
    kept = [line for line in written.splitlines() if line.startswith("-")]
    assert kept == [f"--index-url {INDEX}", "--pre", "--prefer-binary"]
    assert written.count("://") == 1


def test_index_without_tls_is_trusted_by_name() -> None:
    plain = replace(PSYCOPG2, simple_url="http://wheels:8123/simple/", trusted_host="wheels")
    head = locked(InputKind.REQUIREMENTS, f"psycopg2==2.9.13 --hash={UPSTREAM}\n", plain).splitlines()[:2]
    assert head == ["--index-url http://wheels:8123/simple/", "--trusted-host wheels"]


def test_requirements_without_hashes_become_pins_of_everything_that_was_chosen() -> None:
    some = served({"psycopg2==2.9.13": [OLD, NEW], "tomli==2.3.0": [wheel("tomli-2.3.0-py3-none-any.whl", "e")]})
    index = replace(some, pythons={**some.pythons, (canonicalize_name("tomli"), Version("2.3.0")): ("3.11",)})
    files = {"requirements.txt": "-r base.txt\nflask>=3\n", "base.txt": "psycopg2\n"}
    written = lock_to_index(
        InputKind.REQUIREMENTS, files, index, start="requirements.txt", parse_lines=parse_requirements
    )
    assert written["base.txt"] == files["base.txt"]
    assert written["requirements.txt"].startswith(f"--index-url {INDEX}\n")
    assert hashes_of(written["requirements.txt"]) == {
        "psycopg2==2.9.13": OURS,
        'tomli==2.3.0; python_version == "3.11"': (f"sha256:{'e' * 64}",),
    }


def test_files_that_requirements_name_name_the_index_too_unless_they_are_constraints() -> None:
    line = f"psycopg2==2.9.13 --hash={UPSTREAM}\n"
    files = {"requirements.txt": "-r base.txt\n-c limits.txt\n", "base.txt": line, "limits.txt": line}
    written = lock_to_index(
        InputKind.REQUIREMENTS, files, PSYCOPG2, start="requirements.txt", parse_lines=parse_requirements
    )
    assert [text.startswith("--index-url") for text in written.values()] == [True, True, False]
    assert hashes_of(written["base.txt"]) == hashes_of(written["limits.txt"]) == {"psycopg2==2.9.13": OURS}


@pytest.mark.parametrize("end", ["", "\r\n"])
def test_lines_that_end_as_on_windows_stay_so(end: str) -> None:
    text = f"# one\r\nidna==3.20 --hash={UPSTREAM}\r\npsycopg2==2.9.13 --hash={UPSTREAM}{end}"
    assert locked(InputKind.REQUIREMENTS, text, served({"psycopg2==2.9.13": [OLD]})) == (
        f"--index-url {INDEX}\r\n# one\r\nidna==3.20 --hash={UPSTREAM}\r\n"
        f"psycopg2==2.9.13 \\\r\n    --hash=sha256:{OLD.sha256}{end}"
    )


TEXTS = {InputKind.UV_LOCK: UV_LOCK, InputKind.POETRY_LOCK: POETRY_LOCK, InputKind.PYLOCK: PYLOCK}


@pytest.mark.parametrize("kind", list(TEXTS))
def test_toml_with_lines_that_end_as_on_windows_stays_so(kind: InputKind) -> None:
    text = TEXTS[kind]
    assert locked(kind, text.replace("\n", "\r\n")) == locked(kind, text).replace("\n", "\r\n")


@pytest.mark.parametrize("kind", [*TEXTS, InputKind.REQUIREMENTS])
def test_locking_twice_is_locking_once(kind: InputKind) -> None:
    text = TEXTS.get(kind, f"psycopg2==2.9.13 --hash={UPSTREAM}\n")
    once = locked(kind, text, served({"psycopg2==2.9.13": [OLD], "six==1.17.0": []}))
    assert locked(kind, once, served({"psycopg2==2.9.13": [OLD], "six==1.17.0": []})) == once


def packages(text: str) -> dict[str, list[dict[str, Any]]]:
    document = tomllib.loads(text)
    found: dict[str, list[dict[str, Any]]] = {}
    for package in document.get("package", document.get("packages", ())):
        found.setdefault(package["name"], []).append(package)
    return found


def test_uv_lock_names_our_index_for_every_package_that_an_index_has() -> None:
    edge = '{ name = "psycopg2", version = "2.9.13", source = { registry = "simple" } },'
    text = UV_LOCK.replace('{ name = "psycopg2" },', edge)
    assert edge in text
    found = packages(locked(InputKind.UV_LOCK, text))
    assert found["psycopg2"][0]["source"] == {"registry": INDEX}
    assert found["psycopg2"][0]["wheels"] == [
        {"url": one.url, "hash": f"sha256:{one.sha256}", "size": 12} for one in (OLD, NEW)
    ]
    assert found["pysocks"] == [{"name": "pysocks", "version": "1.7.1", "source": {"registry": INDEX}}], "not served"
    assert found["tool"][0]["source"] == {"git": "somewhere"}
    assert found["application"][0]["source"] == {"virtual": "."}
    (needed,) = found["application"][0]["optional-dependencies"]["db"]
    assert needed["source"] == {"registry": INDEX}
    assert found["requests"][0]["dependencies"] == [{"name": "requests"}]


def test_pylock_names_our_index_and_stays_valid() -> None:
    written = locked(InputKind.PYLOCK, PYLOCK)
    lock = Pylock.from_dict(tomllib.loads(written))
    found = {str(package.name): package for package in lock.packages}
    files = [(str(one.url), one.hashes["sha256"]) for one in found["psycopg2"].wheels or ()]
    assert files == [(one.url, one.sha256) for one in (OLD, NEW)]
    assert found["psycopg2"].sdist is None
    assert (found["psycopg2"].index, str(found["psycopg2"].marker)) == (INDEX, "'db' in extras".replace("'", '"'))
    unserved = found["idna"].sdist
    assert unserved is not None
    assert unserved.url == "https://wheels.example.com/files/idna-3.20.tar.gz", "where there is none"
    assert found["here"].directory is not None


def test_poetry_lock_has_an_entry_for_each_python_whose_wheel_is_another_one() -> None:
    found = packages(locked(InputKind.POETRY_LOCK, POETRY_LOCK))
    assert [one["source"] for one in found["psycopg2"]] == [{"type": "url", "url": one.url} for one in (OLD, NEW)]
    assert [one["markers"] for one in found["psycopg2"]] == ['python_version == "3.11"', 'python_version == "3.13"']
    assert [one["files"] for one in found["psycopg2"]] == [
        [{"file": one.filename, "hash": f"sha256:{one.sha256}"}] for one in (OLD, NEW)
    ]
    assert found["ruff"][0]["source"]["url"].startswith("https://wheels.example.com/files/")
    assert found["tool"] == [
        {"name": "tool", "version": "0.1", "optional": False, "groups": ["main"], "source": {"type": "git"}}
    ]
    before, after = tomllib.loads(POETRY_LOCK), tomllib.loads(locked(InputKind.POETRY_LOCK, POETRY_LOCK))
    assert (before["metadata"], before["extras"]) == (after["metadata"], after["extras"])


def test_poetry_lock_keeps_conditions_of_groups() -> None:
    old, new = (
        wheel(f"six-1.17.0-1.suite-{tag}-{tag}-manylinux_2_31_x86_64.whl", "e", TARGETS[python, "2_31"])
        for tag, python in (("cp311", "3.11"), ("cp313", "3.13"))
    )
    first, second = packages(locked(InputKind.POETRY_LOCK, POETRY_LOCK, served({"six==1.17.0": [old, new]})))["Six"]
    assert first["markers"] == {
        "main": "(python_version < '3.11') and (python_version == \"3.11\")",
        "dev": "(python_version >= '3.11') and (python_version == \"3.11\")",
    }
    assert "3.13" in second["markers"]["dev"]


def test_poetry_lock_has_one_entry_where_one_wheel_serves_all_pythons() -> None:
    pure = wheel("psycopg2-2.9.13-1.bookworm-py3-none-any.whl", "e", *TARGETS.values())
    (entry,) = packages(locked(InputKind.POETRY_LOCK, POETRY_LOCK, served({"psycopg2==2.9.13": [pure]})))["psycopg2"]
    assert (entry["source"]["url"], entry.get("markers")) == (pure.url, None)


def test_poetry_lock_names_the_source_that_the_project_has_for_our_index() -> None:
    project = f'[[tool.poetry.source]]\nname = "yard"\nurl = "{INDEX[:-1]}"\n'
    (entry,) = packages(locked(InputKind.POETRY_LOCK, POETRY_LOCK, project=project))["psycopg2"]
    assert entry["source"] == {"type": "legacy", "url": INDEX[:-1], "reference": "yard"}
    assert len(entry["files"]) == 2
    for other in (
        "[",
        "[tool]\npoetry = 1\n",
        '[[tool.poetry.source]]\nname = "yard"\nurl = "https://index.example"\n',
    ):
        first = packages(locked(InputKind.POETRY_LOCK, POETRY_LOCK, project=other))["psycopg2"][0]
        assert first["source"]["type"] == "url"


@pytest.mark.parametrize("text", ["[", "package = 3\n", "package = [1]\n", "[[package]]\nname = 'x'\n"])
def test_lock_file_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(DependencyFileInvalidError, match=r"uv\.lock cannot be read"):
        locked(InputKind.UV_LOCK, text)


def test_pyproject_is_no_lock() -> None:
    text = '[project]\nname = "x"\ndependencies = ["psycopg2==2.9.13"]\n'
    assert locked(InputKind.PYPROJECT, text) == text
