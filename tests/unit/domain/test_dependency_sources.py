"""Sources in git that input files name: what each kind writes, what cannot be used, and what the lock becomes."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from packaging.pylock import Pylock
from packaging.utils import canonicalize_name
from packaging.version import Version
from tests.unit.domain.test_lock_out import INDEX, TARGETS, hashes_of, wheel

from wheelyard.adapters.resolver.requirements import parse_requirements
from wheelyard.domain.builds.git_source import GitOrigin
from wheelyard.domain.dependencies.files import Dependencies, InputKind, Selection, WantedFile, WantedSource
from wheelyard.domain.dependencies.lock_files import read_poetry_lock, read_pylock
from wheelyard.domain.dependencies.lock_out import ServedReleases, lock_to_index
from wheelyard.domain.dependencies.pyproject import read_pyproject, stated_by_files
from wheelyard.domain.dependencies.requirements_file import read_requirements
from wheelyard.domain.dependencies.uv_lock import read_uv_lock
from wheelyard.errors import ResolutionTooLargeError

OLD, NEW = TARGETS["3.11", "2_36"], TARGETS["3.13", "2_36"]
COMMIT = "0123456789abcdef" * 2 + "01234567"
URL = "https://git.example/acme/demo"
HASH = "sha256:" + "a" * 64
VERSION = "1.2.dev0+g0123456789ab"
DEMO = canonicalize_name("demo")
BUILT = wheel(f"demo-{VERSION}-1.bookworm-py3-none-any.whl", "d", OLD, NEW)
ORIGIN = GitOrigin(url=URL, ref="v1.2", commit=COMMIT, tag="v1.2")


def read(text: str) -> Dependencies:
    return read_requirements({"requirements.txt": text}, start="requirements.txt", parse=parse_requirements)


def shown(source: WantedSource | WantedFile) -> tuple[str, str | None, set[str], str]:
    assert isinstance(source, WantedSource)
    return str(source.source), source.source.project, set(source.extras), str(source.marker or "")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"demo @ git+{URL}@v1.2", (f"git+{URL}@v1.2", "demo", set(), "")),
        (f"demo@git+{URL}", (f"git+{URL}", "demo", set(), "")),
        (f"git+{URL}@{COMMIT}", (f"git+{URL}@{COMMIT}", None, set(), "")),
        (f"Demo_X[A,b] @ git+{URL}@main", (f"git+{URL}@main", "demo-x", {"a", "b"}, "")),
        (f"git+{URL}.git@v1.2#egg=demo", (f"git+{URL}.git@v1.2", "demo", set(), "")),
        (f"git+{URL}#egg=demo[x]&subdirectory=python", (f"git+{URL}#subdirectory=python", "demo", {"x"}, "")),
        (f"-e git+{URL}@feature/a#egg=demo", (f"git+{URL}@feature/a", "demo", set(), "")),
        (f"--editable=git+{URL}", (f"git+{URL}", None, set(), "")),
        (
            f"demo @ git+{URL}@v1.2#subdirectory=a/b ; python_version < '3.12'",
            (f"git+{URL}@v1.2#subdirectory=a/b", "demo", set(), 'python_version < "3.12"'),
        ),
        (f"git+{URL} ; os_name == 'posix'", (f"git+{URL}", None, set(), 'os_name == "posix"')),
        # As uv pip compile and pip-compile write it.
        (f"demo @ git+{URL}@{COMMIT}\n    # via -r requirements.in", (f"git+{URL}@{COMMIT}", "demo", set(), "")),
    ],
)
def test_line_of_a_requirements_file_names_a_source(line: str, expected: tuple[object, ...]) -> None:
    found = read(f"idna\n{line}\n")
    (source,) = found.sources
    assert shown(source) == expected
    assert str(source.origin) == "requirements.txt:2"
    assert found.skipped == ()
    assert found.lock is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("demo @ git+ssh://git@git.example/acme/demo", "ssh is no transport"),
        ("git+file:///srv/demo", "file is no transport"),
        ("git+git://git.example/acme/demo", "git is no transport"),
        ("-e git+https://user:secret@git.example/acme/demo#egg=demo", "user or password"),
        (f"demo @ git+{URL}@--upload-pack=x", "not the name of a commit"),
        (f"demo @ git+{URL}@a..b", "not the name of a commit"),
        (f"demo @ git+{URL}#subdirectory=../up", "not a folder inside"),
        (f"demo @ git+{URL}?ref=x", "query"),
        (f"git+{URL}#egg=not/a/name", "project"),
        (f"git+{URL}/{'a' * 900}", "more than|form"),
        ("git+https://", "form|address"),
        ("git+https://[::1/x", "address"),
        ("hg+https://hg.example/demo", "form"),
    ],
)
def test_source_that_cannot_be_used_is_a_problem_of_its_line_alone(line: str, reason: str) -> None:
    found = read(f"idna\n{line}\n")
    (skipped,) = found.skipped
    assert found.sources == ()
    assert (skipped.origin.line, skipped.is_wanted) == (2, True)
    assert any(one in skipped.reason for one in reason.split("|")), skipped.reason
    assert "secret" not in repr(found)
    assert [str(one.requirement) for one in found.wanted] == ["idna"]


def test_constraint_on_a_source_is_no_wish_for_it() -> None:
    files = {"requirements.txt": "-c limits.txt\nidna\n", "limits.txt": f"demo @ git+{URL}\n"}
    found = read_requirements(files, start="requirements.txt", parse=parse_requirements)
    assert found.sources == ()
    assert [one.is_wanted for one in found.skipped] == [False]


def test_lock_with_hashes_stays_a_lock_with_a_source_in_it() -> None:
    found = read(f"idna==3.20 --hash={HASH}\ndemo @ git+{URL}@v1.2 ; python_version < '3.12'\n")
    assert found.lock is not None
    assert [str(pin) for pin in found.lock.pins(NEW)] == ["idna==3.20"]
    assert [one.key for one in found.lock.sources(OLD)] == [f"git+{URL}@v1.2"]
    assert found.lock.sources(NEW) == ()


def test_pyproject_and_its_extras_name_sources() -> None:
    text = f"""[project]
name = "application"
dependencies = ["idna", "demo[x] @ git+{URL}@v1.2 ; python_version < '3.12'", "other @ git+ssh://git@h.example/x"]
optional-dependencies.more = ["demo @ git+{URL}@v1.2"]
"""
    found = read_pyproject(
        text, file="pyproject.toml", selection=Selection(extras=frozenset({canonicalize_name("more")}))
    )
    assert [shown(one) for one in found.sources] == [
        (f"git+{URL}@v1.2", "demo", {"x"}, 'python_version < "3.12"'),
        (f"git+{URL}@v1.2", "demo", set(), ""),
    ]
    assert [one.is_wanted for one in found.skipped] == [True]
    assert "ssh" in found.skipped[0].reason


UV_LOCK = f"""version = 1
requires-python = ">=3.11"

[[package]]
name = "application"
version = "1.0"
source = {{ editable = "." }}
dependencies = [
    {{ name = "demo", marker = "python_full_version < '3.12'" }},
    {{ name = "library" }},
    {{ name = "member" }},
]

[[package]]
name = "demo"
version = "1.2"
source = {{ git = "{URL}?tag=v1.2#{COMMIT}" }}
dependencies = [{{ name = "idna" }}]

[[package]]
name = "idna"
version = "3.20"
source = {{ registry = "https://pypi.example/simple" }}
wheels = [{{ url = "https://pypi.example/idna-3.20-py3-none-any.whl", hash = "{HASH}" }}]

[[package]]
name = "library"
version = "0.1"
source = {{ directory = "libs/library" }}

[[package]]
name = "member"
version = "0.1"
source = {{ editable = "libs/member" }}
"""

POETRY_LOCK = f"""[[package]]
name = "demo"
version = "1.2"
optional = false
python-versions = ">=3.11"
groups = ["main"]
files = []
develop = false

[package.source]
type = "git"
url = "{URL}"
reference = "v1.2"
resolved_reference = "{COMMIT}"

[[package]]
name = "library"
version = "0.1"
optional = false
python-versions = ">=3.11"
groups = ["main"]
files = []

[package.source]
type = "directory"
url = "libs/library"

[metadata]
lock-version = "2.1"
python-versions = ">=3.11"
content-hash = "x"
"""

PYLOCK = f"""lock-version = "1.0"
created-by = "test"

[[packages]]
name = "demo"
version = "1.2"
marker = "python_version < '3.12'"
vcs = {{ type = "git", url = "{URL}", requested-revision = "v1.2", commit-id = "{COMMIT}" }}

[[packages]]
name = "application"
directory = {{ path = ".", editable = true }}
"""


def read_lock(kind: InputKind, text: str) -> Dependencies:
    readers = {InputKind.UV_LOCK: read_uv_lock, InputKind.POETRY_LOCK: read_poetry_lock, InputKind.PYLOCK: read_pylock}
    return readers[kind](text, file=kind.value, selection=Selection())


@pytest.mark.parametrize(
    ("kind", "text"),
    [(InputKind.UV_LOCK, UV_LOCK), (InputKind.POETRY_LOCK, POETRY_LOCK), (InputKind.PYLOCK, PYLOCK)],
)
def test_lock_names_a_commit_and_the_ref_that_it_was(kind: InputKind, text: str) -> None:
    found = read_lock(kind, text)
    assert found.lock is not None
    (source,) = found.lock.sources(OLD)
    assert isinstance(source, WantedSource)
    assert (str(source.source), source.commit, source.source.project) == (f"git+{URL}@v1.2", COMMIT, "demo")
    assert source.key == f"git+{URL}@{COMMIT}"
    assert source.key in ORIGIN.keys
    assert len(found.lock.sources(NEW)) == (kind is InputKind.POETRY_LOCK), "the others have a marker"
    assert not any(one.is_wanted for one in found.skipped)


def test_folders_of_the_user_stay_and_say_what_publishes_them() -> None:
    uv = {one.text: one.reason for one in read_lock(InputKind.UV_LOCK, UV_LOCK).skipped}
    assert uv["application"] == "it is the application itself, which is installed from its folder"
    assert "'wheelyard build libs/library'" in uv["library"]
    assert "'wheelyard build libs/member'" in uv["member"]
    (poetry,) = read_lock(InputKind.POETRY_LOCK, POETRY_LOCK).skipped
    assert "'wheelyard build libs/library'" in poetry.reason
    folders = read(
        "-e .[dev]\n-e ./libs/x\n./libs/y\n-e ../outside\n-e file:///srv/z\nmember @ file:///srv/m\n"
    ).folders
    assert [(one.path, set(one.extras)) for one in folders] == [
        (".", {"dev"}),
        ("libs/x", set()),
        ("libs/y", set()),
        (None, set()),
        (None, set()),
    ]
    assert "'wheelyard build ./libs/x'" in folders[1].reason


def test_application_that_requires_nothing_has_nothing_left_out() -> None:
    alone = 'version = 1\n[[package]]\nname = "application"\nversion = "1.0"\nsource = { editable = "." }\n'
    assert read_lock(InputKind.UV_LOCK, alone).skipped == ()


@pytest.mark.parametrize(
    ("kind", "text", "changes"),
    [
        (InputKind.UV_LOCK, UV_LOCK, {f"?tag=v1.2#{COMMIT}": ""}),
        (InputKind.UV_LOCK, UV_LOCK, {f"#{COMMIT}": "#abc"}),
        (InputKind.UV_LOCK, UV_LOCK, {"https://git": "ssh://git@git"}),
        (InputKind.UV_LOCK, UV_LOCK, {f'"{URL}?tag=v1.2#{COMMIT}"': "1"}),
        (InputKind.UV_LOCK, UV_LOCK, {f"{URL}?tag": f"{URL}{'/a' * 2000}?tag"}),
        (InputKind.UV_LOCK, UV_LOCK, {"?tag=v1.2": "?" + "&".join(f"a{n}=b" for n in range(20))}),
        (InputKind.UV_LOCK, UV_LOCK, {"?tag=v1.2": "?subdirectory=../x"}),
        (InputKind.POETRY_LOCK, POETRY_LOCK, {f'"{COMMIT}"': '"v1.2"'}),
        (InputKind.POETRY_LOCK, POETRY_LOCK, {f'"{COMMIT}"': "[1]"}),
        (InputKind.POETRY_LOCK, POETRY_LOCK, {"https://git": "git@git"}),
        (InputKind.PYLOCK, PYLOCK, {'"git"': '"hg"'}),
        (InputKind.PYLOCK, PYLOCK, {f'url = "{URL}"': 'path = "../demo"'}),
        (InputKind.PYLOCK, PYLOCK, {COMMIT: "main"}),
    ],
)
def test_entry_that_cannot_be_used_is_reported_and_no_error_of_the_lock(
    kind: InputKind, text: str, changes: Mapping[str, str]
) -> None:
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    found = read_lock(kind, text)
    assert found.lock is not None
    assert found.lock.sources(OLD) == ()
    (wanted,) = [one for one in found.skipped if one.is_wanted]
    assert (wanted.text, "cannot be used" in wanted.reason) == ("demo", True), wanted


def test_ref_that_has_no_form_of_ours_leaves_the_commit() -> None:
    for text in (UV_LOCK.replace("tag=v1.2", "rev=0123456"), UV_LOCK.replace("tag=v1.2", "branch=-x")):
        lock = read_lock(InputKind.UV_LOCK, text).lock
        assert lock is not None
        (source,) = lock.sources(OLD)
        assert isinstance(source, WantedSource)
        assert (source.source.ref, source.commit) == (COMMIT, COMMIT)


# What comes back


def served(*, is_served: bool = True) -> ServedReleases:
    release = (DEMO, Version(VERSION))
    idna = (canonicalize_name("idna"), Version("3.20"))
    return ServedReleases(
        simple_url=INDEX,
        files_url="https://wheels.example.com/files/",
        wheels={release: [BUILT] if is_served else [], idna: [wheel("idna-3.20-py3-none-any.whl", "e", OLD, NEW)]},
        pythons={release: ("3.11", "3.13"), idna: ("3.11", "3.13")},
        sources=dict.fromkeys(ORIGIN.keys, release),
    )


def locked(kind: InputKind, text: str) -> str:
    files = {kind.value: text}
    return lock_to_index(kind, files, served(), start=kind.value, parse_lines=parse_requirements)[kind.value]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"demo @ git+{URL}@v1.2", f"demo=={VERSION}"),
        (f"-e git+{URL}@v1.2#egg=demo", f"demo=={VERSION}"),
        (f"git+{URL}@{COMMIT}  # why", f"demo=={VERSION}"),
        (f"demo[B,a] @ git+{URL}@v1.2 ; python_version < '3.12'", f'demo[a,b]=={VERSION}; python_version < "3.12"'),
    ],
)
def test_source_in_a_lock_with_hashes_becomes_the_pin_of_its_wheel(line: str, expected: str) -> None:
    written = locked(InputKind.REQUIREMENTS, f"idna==3.20 --hash={HASH}\n{line}\n    # via application\n")
    assert hashes_of(written) == {
        "idna==3.20": (f"sha256:{'e' * 64}",),
        expected: (f"sha256:{'d' * 64}",),
    }
    assert "git" not in written.replace(line, "")
    assert "# via application\n" in written
    assert ("# why" in written) == ("# why" in line)


def test_source_that_was_not_built_stays_what_it_is_so_that_pip_refuses_it() -> None:
    line = f"other @ git+{URL}/other@v1.2"
    assert line in locked(InputKind.REQUIREMENTS, f"idna==3.20 --hash={HASH}\n{line}\n")


def test_folders_become_comments_because_pip_takes_none_with_hashes() -> None:
    locks = (f"idna==3.20 --hash={HASH}\n-e .\n./libs/x[a]\n", "-e .\nidna\n./libs/x[a]\n")
    for text in locks:
        written = locked(InputKind.REQUIREMENTS, text)
        lines = [line for line in written.splitlines() if line.startswith("#")]
        assert [line.partition("  (")[0] for line in lines] == ["# -e .", "# ./libs/x[a]"]
        assert not [line for line in parse_requirements(written) if type(line).__name__ == "FolderLine"]


def test_open_requirements_become_pins_with_the_version_that_was_built() -> None:
    written = locked(InputKind.REQUIREMENTS, f"demo @ git+{URL}@v1.2\nidna\n")
    assert hashes_of(written) == {"idna==3.20": (f"sha256:{'e' * 64}",), f"demo=={VERSION}": (f"sha256:{'d' * 64}",)}


def test_uv_lock_names_our_index_in_the_place_of_the_repository() -> None:
    several = UV_LOCK.replace(
        '{ name = "demo", marker',
        f'{{ name = "demo", source = {{ git = "{URL}?tag=v1.2#{COMMIT}" }}, version = "1.2", marker',
    )
    for text in (UV_LOCK, several):
        document = tomllib.loads(locked(InputKind.UV_LOCK, text))
        packages: dict[str, dict[str, Any]] = {one["name"]: one for one in document["package"]}
        demo = packages["demo"]
        assert demo["version"] == VERSION
        assert demo["source"] == {"registry": INDEX}
        assert [one["hash"] for one in demo["wheels"]] == [f"sha256:{'d' * 64}"]
        assert demo["dependencies"] == [{"name": "idna"}]
        assert packages["application"]["source"] == {"editable": "."}
        assert packages["library"]["source"] == {"directory": "libs/library"}
        edge = packages["application"]["dependencies"][0]
        if text is several:
            assert (edge["version"], edge["source"]) == (VERSION, {"registry": INDEX})


def test_poetry_lock_names_our_wheel_in_the_place_of_the_repository() -> None:
    demo, library = tomllib.loads(locked(InputKind.POETRY_LOCK, POETRY_LOCK))["package"]
    assert demo["version"] == VERSION
    assert demo["source"] == {"type": "url", "url": BUILT.url}
    assert demo["files"] == [{"file": BUILT.filename, "hash": f"sha256:{'d' * 64}"}]
    assert "develop" not in demo
    assert library["source"]["type"] == "directory"


def test_pylock_names_our_wheel_in_the_place_of_the_repository() -> None:
    document = tomllib.loads(locked(InputKind.PYLOCK, PYLOCK))
    Pylock.from_dict(document)
    demo, application = document["packages"]
    assert (demo["version"], demo["index"], demo["marker"]) == (VERSION, INDEX, "python_version < '3.12'")
    assert [one["hashes"] for one in demo["wheels"]] == [{"sha256": "d" * 64}]
    assert "vcs" not in demo
    assert application["directory"]["path"] == "."


# Files at addresses


SDIST = "https://files.example/other/demo-1.2.tar.gz"
WHEEL = "https://files.example/demo-1.2-py3-none-any.whl"


@pytest.mark.parametrize(
    ("line", "extras", "marker"),
    [
        (f"demo @ {SDIST}#sha256={'a' * 64}", set(), ""),
        (f"{WHEEL}#sha256={'A' * 64}&egg=demo", set(), ""),
        (f"demo[x] @ {SDIST} --hash={HASH}", {"x"}, ""),
        (f"demo @ {SDIST}#sha256={'a' * 64} ; python_version < '3.12'", set(), 'python_version < "3.12"'),
        (f"{SDIST}#sha256={'a' * 64} ; python_version < '3.12'", set(), 'python_version < "3.12"'),
    ],
)
def test_file_at_an_address_is_the_release_that_its_name_and_hash_say(line: str, extras: set[str], marker: str) -> None:
    (file,) = read(f"idna\n{line}\n").sources
    assert isinstance(file, WantedFile)
    assert (file.project, str(file.version), set(file.hashes), file.origin.line) == (DEMO, "1.2", {HASH}, 2)
    assert (set(file.extras), str(file.marker or "")) == (extras, marker)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"demo @ {SDIST}", "has no hash; write #sha256="),
        (f"demo @ {SDIST}#sha256=ab", "has no hash"),
        (f"demo @ {SDIST}#md5={'a' * 32}", "has no hash"),
        (f"other @ {SDIST}#sha256={'a' * 64}", "is of demo, and not of other"),
        (f"demo @ https://files.example/archive/main.zip#sha256={'a' * 64}", "name its repository with git+https://"),
        (f"demo @ https://user:secret@files.example/{'a/' * 600}demo-1.2.tar.gz", "more than 1000 characters"),
        ("https://[::1/demo-1.2.tar.gz", "address"),
    ],
)
def test_file_that_no_index_could_be_asked_for_is_a_problem_of_its_line(line: str, reason: str) -> None:
    found = read(f"idna\n{line}\n")
    (skipped,) = found.skipped
    assert (found.sources, skipped.is_wanted, reason in skipped.reason) == ((), True, True), skipped
    assert "secret" not in repr(found)


POETRY_GIT = f'type = "git"\nurl = "{URL}"\nreference = "v1.2"\nresolved_reference = "{COMMIT}"'
FILES = {
    InputKind.UV_LOCK: UV_LOCK.replace(
        f'source = {{ git = "{URL}?tag=v1.2#{COMMIT}" }}\n',
        f'source = {{ url = "{SDIST}" }}\nsdist = {{ hash = "{HASH}" }}\n',
    ),
    InputKind.POETRY_LOCK: POETRY_LOCK.replace(POETRY_GIT, f'type = "url"\nurl = "{SDIST}"').replace(
        "files = []", f'files = [{{file = "demo-1.2.tar.gz", hash = "{HASH}"}}]', 1
    ),
    InputKind.PYLOCK: PYLOCK.replace(
        f'vcs = {{ type = "git", url = "{URL}", requested-revision = "v1.2", commit-id = "{COMMIT}" }}',
        f'archive = {{ url = "{SDIST}", hashes = {{ sha256 = "{"a" * 64}" }} }}',
    ),
}


@pytest.mark.parametrize("kind", list(FILES))
def test_file_of_a_lock_is_read_and_becomes_a_file_of_our_index(kind: InputKind) -> None:
    found = read_lock(kind, FILES[kind])
    assert found.lock is not None
    (file,) = found.lock.sources(OLD)
    assert isinstance(file, WantedFile)
    assert (file.project, str(file.version), set(file.hashes)) == (DEMO, "1.2", {HASH})
    release = (DEMO, Version("1.2"))
    index = replace(served(), wheels={release: [BUILT]}, pythons={release: ("3.11", "3.13")}, sources={})
    back = lock_to_index(kind, {kind.value: FILES[kind]}, index, start=kind.value, parse_lines=parse_requirements)
    assert SDIST not in back[kind.value]
    assert "d" * 64 in back[kind.value]
    nothing = replace(index, wheels={})
    kept = lock_to_index(kind, {kind.value: FILES[kind]}, nothing, start=kind.value, parse_lines=parse_requirements)
    assert SDIST in kept[kind.value], "what is not served stays what it was"


def test_file_in_a_lock_with_hashes_becomes_the_pin_of_its_release() -> None:
    release = (DEMO, Version("1.2"))
    index = replace(served(), wheels={release: [BUILT]}, pythons={release: ("3.11",)}, sources={})
    name = "requirements.txt"
    text = f"idna==3.20 --hash={HASH}\ndemo @ {SDIST} \\\n    --hash={HASH}\n"
    back = lock_to_index(InputKind.REQUIREMENTS, {name: text}, index, start=name, parse_lines=parse_requirements)[name]
    assert hashes_of(back) == {"idna==3.20": (HASH,), "demo==1.2": (f"sha256:{'d' * 64}",)}
    assert "files.example" not in back


# What a commit requires


def test_static_pyproject_states_what_a_commit_requires() -> None:
    text = """[project]
name = "demo"
requires-python = ">=3.9"
dependencies = ["idna>=3", "six; python_version < '3'", "x @ git+https://git.example/x", "not a requirement"]
optional-dependencies.Socks_5 = ["pysocks; os_name == 'posix'"]
"""
    stated = stated_by_files(DEMO, Version("1"), text)
    assert stated.requires == (
        "idna>=3",
        'six; python_version < "3"',
        'pysocks; extra == "socks-5" and os_name == "posix"',
    )
    assert (stated.extras, stated.requires_python) == (("socks-5",), ">=3.9")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "project = 1",
        '[project]\ndynamic = ["dependencies"]\ndependencies = ["idna"]',
        '[tool.poetry]\nname="x"',
    ],
)
def test_what_is_left_to_the_project_s_code_is_not_guessed(text: str) -> None:
    assert stated_by_files(DEMO, Version("1"), text).requires == ()


@pytest.mark.parametrize(
    "text",
    [
        '[project]\ndependencies = "idna"',
        "[project]\ndependencies = [1, {}]",
        "[project]\noptional-dependencies = 1",
        '[project]\noptional-dependencies = {"a\\nb" = ["idna"], "" = ["six"]}',
        '[project]\ndynamic = 3.5\nrequires-python = "nonsense"',
    ],
)
def test_pyproject_of_any_shape_states_nothing_that_it_does_not_say(text: str) -> None:
    stated = stated_by_files(DEMO, Version("1"), text)
    assert "idna" not in stated.requires
    assert stated.requires_python is None


def test_pyproject_that_requires_more_than_any_release_is_refused() -> None:
    with pytest.raises(ResolutionTooLargeError):
        stated_by_files(DEMO, Version("1"), f"[project]\ndependencies = {['a'] * 2001}")
