"""What requirements and lock files say, read for one target or another."""

import re
from dataclasses import replace

import pytest
from packaging.utils import canonicalize_name
from tests.unit.lock_samples import HASH, POETRY_LOCK, PYLOCK, UV_LOCK

from wheelyard.adapters.resolver.requirements import parse_requirements
from wheelyard.domain.dependencies.files import Dependencies, Selection, WantedSource
from wheelyard.domain.dependencies.lock_files import read_poetry_lock, read_pylock
from wheelyard.domain.dependencies.pyproject import read_pyproject
from wheelyard.domain.dependencies.requirements_file import read_requirements
from wheelyard.domain.dependencies.uv_lock import read_uv_lock
from wheelyard.domain.packaging.target import Target
from wheelyard.errors import DependencyFileInvalidError, DependencyFileMissingError, SelectionUnknownError

NEW = Target.parse(python="3.13", platform="manylinux_2_36_x86_64")
OLD = Target.parse(python="3.10", platform="manylinux_2_31_x86_64")


def pins_of(dependencies: Dependencies, target: Target) -> list[str]:
    assert dependencies.lock is not None
    return [str(pin) for pin in dependencies.lock.pins(target)]


def select(*, extras: str = "", groups: str = "") -> Selection:
    return Selection(
        extras=frozenset(map(canonicalize_name, extras.split())),
        groups=frozenset(map(canonicalize_name, groups.split())),
    )


def requirements(text: str, **more: str) -> Dependencies:
    files = {"requirements.txt": text} | {name.replace("_", "."): content for name, content in more.items()}
    return read_requirements(files, start="requirements.txt", parse=parse_requirements)


def test_uv_lock_is_walked_from_the_own_projects_with_markers_and_extras() -> None:
    lock = read_uv_lock(UV_LOCK, file="uv.lock", selection=Selection(default_groups=False))
    assert pins_of(lock, NEW) == ["pysocks==1.7.1", "requests==2.34.2"]
    assert pins_of(lock, OLD) == ["pysocks==1.7.1", "requests==2.34.2", "tomli==2.3.0"]


def test_uv_lock_gives_the_extras_and_groups_that_are_asked_for() -> None:
    lock = read_uv_lock(UV_LOCK, file="uv.lock", selection=select(extras="db", groups="dev"))
    assert pins_of(lock, NEW) == ["psycopg2==2.9.13", "pysocks==1.7.1", "requests==2.34.2", "six==1.17.0"]


@pytest.mark.parametrize(
    ("project", "has_dev"),
    [
        (None, True),
        ("[project]\n", True),
        ("[tool.uv]\ndefault-groups = []\n", False),
        ('[tool.uv]\ndefault-groups = ["docs"]\n', False),
        ('[dependency-groups]\nDev = []\n[tool.uv]\ndefault-groups = "all"\n', True),
        ("tool = 1\n", True),
        ("[", True),
        (f"x = {'[' * 5000}", True),
    ],
)
def test_uv_lock_gives_the_groups_that_uv_installs_by_itself(project: str | None, has_dev: bool) -> None:  # noqa: FBT001
    lock = read_uv_lock(UV_LOCK, file="uv.lock", selection=Selection(), project=project)
    assert ("six==1.17.0" in pins_of(lock, NEW)) is has_dev
    without = read_uv_lock(UV_LOCK, file="uv.lock", selection=Selection(default_groups=False), project=project)
    assert "six==1.17.0" not in pins_of(without, NEW)


def test_uv_lock_tells_hashes_and_reports_what_is_not_from_an_index_with_its_line() -> None:
    lock = read_uv_lock(UV_LOCK, file="uv.lock", selection=Selection())
    assert lock.lock is not None
    assert lock.lock.pins(NEW)[0].hashes == {HASH}
    (skipped,) = lock.skipped
    assert (skipped.text, str(skipped.origin)) == ("tool", "uv.lock:56")
    assert UV_LOCK.splitlines()[55] == "[[package]]"


def test_uv_lock_reports_nothing_that_no_wanted_part_needs() -> None:
    unused = UV_LOCK.replace('    { name = "tool" },\n', "")
    assert read_uv_lock(unused, file="uv.lock", selection=Selection()).skipped == ()


def test_editable_repository_is_wanted_like_any_other_and_a_folder_is_ones_own() -> None:
    (repository,) = requirements("-e git+https://elsewhere.test/x.git#egg=x\n").sources
    assert isinstance(repository, WantedSource)
    assert (str(repository.source), repository.source.project) == ("git+https://elsewhere.test/x.git", "x")
    folder = UV_LOCK.replace('{ git = "somewhere" }', '{ directory = "tool" }')
    assert [one.is_wanted for one in read_uv_lock(folder, file="uv.lock", selection=Selection()).skipped] == [False]


@pytest.mark.parametrize("text", [UV_LOCK, POETRY_LOCK, PYLOCK])
@pytest.mark.parametrize("selection", [select(extras="dbs"), select(groups="devs")])
def test_extra_or_group_that_a_lock_has_not_is_refused(text: str, selection: Selection) -> None:
    read = {UV_LOCK: read_uv_lock, POETRY_LOCK: read_poetry_lock, PYLOCK: read_pylock}[text]
    with pytest.raises(SelectionUnknownError, match=r"extra 'dbs'\. It has: db|dependency group 'devs'\. It has: d"):
        read(text, file="lock", selection=selection)


def test_extras_and_groups_without_needs_are_known_to_a_uv_lock() -> None:
    metadata = '[package.metadata]\nprovides-extras = ["none"]\n[package.metadata.requires-dev]\nnothing = []\n\n'
    text = UV_LOCK.replace('[[package]]\nname = "psycopg2"', f'{metadata}[[package]]\nname = "psycopg2"')
    lock = read_uv_lock(text, file="uv.lock", selection=select(extras="none", groups="nothing"))
    assert "psycopg2==2.9.13" not in pins_of(lock, NEW)


def test_uv_lock_without_a_project_is_walked_from_its_groups() -> None:
    """As uv writes it beside a pyproject.toml that has dependency groups only."""
    groups = 'dev = [{ name = "requests", extras = ["socks"], specifier = ">2" }]\nlint = [{ name = "six" }]\n'
    packages = UV_LOCK[UV_LOCK.index('[[package]]\nname = "psycopg2"') :]
    text = f"[manifest.dependency-groups]\n{groups}\n{packages}"
    assert pins_of(read_uv_lock(text, file="uv.lock", selection=Selection()), NEW) == [
        "pysocks==1.7.1",
        "requests==2.34.2",
    ]
    chosen = read_uv_lock(text, file="uv.lock", selection=Selection(groups=select(groups="lint").groups))
    assert "six==1.17.0" in pins_of(chosen, NEW)


def test_poetry_lock_follows_groups_markers_and_extras() -> None:
    lock = read_poetry_lock(POETRY_LOCK, file="poetry.lock", selection=Selection(default_groups=False))
    assert pins_of(lock, NEW) == ["idna==3.20"]
    assert pins_of(lock, OLD) == ["six==1.17.0", "idna==3.20"]
    more = read_poetry_lock(
        POETRY_LOCK,
        file="poetry.lock",
        selection=replace(select(extras="db", groups="dev"), default_groups=False),
    )
    assert pins_of(more, NEW) == ["six==1.17.0", "idna==3.20", "psycopg2==2.9.13", "ruff==0.17"]
    assert [one.text for one in lock.skipped] == ["tool"]


@pytest.mark.parametrize(
    ("project", "has_dev"),
    [
        (None, True),
        ('[dependency-groups]\ndev = ["ruff"]\n', True),
        ("[tool.poetry.group.dev]\noptional = true\n", False),
        ("[tool.poetry.group.dev]\noptional = false\n", True),
        ("tool = 1\n", True),
        ("[", True),
    ],
)
def test_poetry_lock_gives_the_groups_that_poetry_installs_by_itself(project: str | None, has_dev: bool) -> None:  # noqa: FBT001
    lock = read_poetry_lock(POETRY_LOCK, file="poetry.lock", selection=Selection(), project=project)
    assert ("ruff==0.17" in pins_of(lock, NEW)) is has_dev
    named = read_poetry_lock(POETRY_LOCK, file="poetry.lock", selection=select(groups="dev"), project=project)
    assert "ruff==0.17" in pins_of(named, NEW)


def test_pylock_follows_markers_and_extras() -> None:
    assert pins_of(read_pylock(PYLOCK, file="p", selection=Selection()), NEW) == ["idna==3.20"]
    grouped = PYLOCK.replace("\"'db' in extras\"", "\"'default' in dependency_groups\"")
    assert "psycopg2==2.9.13" in pins_of(read_pylock(grouped, file="p", selection=Selection()), NEW)
    without = read_pylock(grouped, file="p", selection=Selection(default_groups=False))
    assert "psycopg2==2.9.13" not in pins_of(without, NEW)
    named = read_pylock(f'dependency-groups = ["docs"]\n{grouped}', file="p", selection=select(groups="docs"))
    assert "psycopg2==2.9.13" in pins_of(named, NEW), "beside those that are named"
    chosen = read_pylock(PYLOCK, file="p", selection=select(extras="db"))
    assert pins_of(chosen, OLD) == ["idna==3.20", "psycopg2==2.9.13", "tomli==2.3.0"]
    assert [(one.text, one.reason) for one in chosen.skipped] == [
        ("here", "it is the application itself, which is installed from its folder")
    ]


def test_requirements_with_hashes_are_a_lock_with_markers() -> None:
    text = f"idna==3.20 --hash={HASH}\ntomli==2.3.0; python_version<'3.11' \\\n    --hash={HASH}\n"
    read = requirements(text)
    assert pins_of(read, NEW) == ["idna==3.20"]
    assert pins_of(read, OLD) == ["idna==3.20", "tomli==2.3.0"]
    assert read.wanted == ()


@pytest.mark.parametrize(
    ("marker", "applies"),
    [
        ("python_full_version < '3.13.3'", True),
        ("python_full_version >= '3.13.3'", True),
        ("python_full_version == '3.13.7'", True),
        ("python_full_version > '3.13.2' and python_full_version < '3.13.4'", True),
        ("python_full_version >= '3.14'", False),
        ("python_full_version < '3.13'", False),
        ("python_version >= '3.13.2'", False),
    ],
)
def test_lock_gives_what_any_micro_release_of_the_python_may_need(marker: str, applies: bool) -> None:  # noqa: FBT001
    read = requirements(f"idna==3.20; {marker} --hash={HASH}\n")
    assert pins_of(read, NEW) == (["idna==3.20"] if applies else [])
    uv = UV_LOCK.replace("python_full_version < '3.11'", marker)
    assert ("tomli==2.3.0" in pins_of(read_uv_lock(uv, file="uv.lock", selection=Selection()), NEW)) is applies
    pylock = PYLOCK.replace("python_version < '3.11'", marker)
    assert ("tomli==2.3.0" in pins_of(read_pylock(pylock, file="p", selection=Selection()), NEW)) is applies


def test_requirements_without_hashes_are_open_and_keep_extras_and_markers() -> None:
    read = requirements("Requests[socks]>=2; python_version>'3'\nidna==3.20\n")
    assert read.lock is None
    assert [str(one.requirement) for one in read.wanted] == [
        'Requests[socks]>=2; python_version > "3"',
        "idna==3.20",
    ]


def test_nested_requirements_and_constraints_are_followed_once() -> None:
    read = requirements(
        "-r more.txt\n-c limits.txt\nidna\n", more_txt="-r requirements.txt\nsix\n", limits_txt="six<2\n"
    )
    assert sorted(str(one.requirement) for one in read.wanted) == ["idna", "six"]
    assert [str(one.requirement) for one in read.constraints] == ["six<2"]


@pytest.mark.parametrize("name", ["../secret.txt", "/etc/passwd", "https://elsewhere.test/r.txt"])
def test_files_outside_of_the_folder_are_not_read(name: str) -> None:
    read = requirements(f"-r {name}\nidna\n")
    assert [one.text for one in read.skipped] == [name]


def test_nested_file_that_was_not_given_is_named() -> None:
    message = r"more\.txt, which requirements\.txt:2 names, cannot be read: its content was not given"
    with pytest.raises(DependencyFileMissingError, match=message):
        requirements("idna\n-r more.txt\n")


def test_files_that_name_one_another_without_end_are_refused() -> None:
    files = {f"{number}.txt": f"-r {number + 1}.txt" for number in range(100)}
    with pytest.raises(DependencyFileInvalidError, match="the 21th file"):
        read_requirements(files, start="0.txt", parse=parse_requirements)


def test_options_are_named_as_the_installer_names_them_and_ask_for_nothing() -> None:
    lines = ("--extra-index-url u", "--trusted-host h", "--no-binary :all:", "--use-feature f", "--of-a-newer-pip yes")
    skipped = requirements("\n".join(lines)).skipped
    assert [one.text for one in skipped] == [*(line.split()[0] for line in lines[:4]), lines[4]]
    assert not any(one.is_wanted for one in skipped)
    assert skipped[2].reason.endswith("--prefer own")


def test_hashes_bind_though_other_lines_have_none() -> None:
    read = requirements(f"idna==3.20 --hash={HASH}\nsix\n")
    assert read.lock is None
    assert [one.hashes for one in read.wanted] == [{HASH}, frozenset()]


def test_lines_that_cannot_be_built_are_reported_with_their_line_and_the_rest_goes_on() -> None:
    lines = (
        "--extra-index-url https://user:secret@elsewhere.test/simple",
        "-e .",
        "git+https://user:secret@elsewhere.test/x.git",
        "x @ https://user:secret@elsewhere.test/x.tar.gz",
        "./folder",
        "idna",
    )
    read = requirements("\n".join(lines))
    assert [one.origin.line for one in read.skipped] == [1, 3, 4]
    assert [(one.origin.line, one.path) for one in read.folders] == [(2, "."), (5, "folder")]
    assert [one.is_wanted for one in read.skipped] == [False, True, True]
    assert [str(one.requirement) for one in read.wanted] == ["idna"]
    assert "secret" not in repr(read.skipped)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("pyyaml>>6", "Expected"),
        ("pyyaml=6", "Did you mean =="),
        ("pyyaml>=1.*", "can only be used with"),
        ("pyyaml===", "'' is not a version"),
        ('pyyaml; python_versio < "3"', "Expected a marker variable"),
        ("not a requirement", "Expected"),
        ("pyyaml[extra", "RIGHT_BRACKET"),
        ("-x", "no such option: -x"),
        ("-r", "requires 1 argument"),
        ("idna --of-a-newer-pip", "no such option"),
        ("pyyaml==6 --hash=sha256:zz", "is not a hash as installers take it"),
        (f"pyyaml==6 --hash=md5:{'0' * 32}", "is not a hash as installers take it"),
        ("pyyaml==6 --hash", "requires 1 argument"),
        ('pyyaml --global-option="x', "No closing quotation"),
        ("a" * 3000, "the project's name has 3000 characters"),
    ],
)
def test_malformed_line_is_refused_with_file_line_and_reason(line: str, reason: str) -> None:
    with pytest.raises(DependencyFileInvalidError) as found:
        requirements("-r nested.txt\n", nested_txt=f"idna\n\n{line}\nsix\n")
    (problem,) = found.value.problems
    assert problem.startswith("nested.txt:3: ")
    assert line[:200] in problem.replace("\\'", "'")
    assert reason in problem
    assert found.value.hint == "Correct each line that is named."


def test_malformed_lines_are_named_together_and_their_passwords_are_not() -> None:
    lines = [f"x{number} --see=https://user:secret@elsewhere.test" for number in range(13)]
    with pytest.raises(DependencyFileInvalidError) as found:
        requirements("\n".join(lines))
    assert len(found.value.problems) == 11
    assert found.value.problems[-1] == "and 3 more such lines"
    assert "secret" not in str(found.value)


def test_variables_of_our_environment_are_not_put_into_requirements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "idna")
    with pytest.raises(DependencyFileInvalidError, match=r"requirements\.txt:1: '\$\{SECRET\}'") as found:
        requirements("${SECRET}\nsix\n")
    assert "idna" not in str(found.value)


def test_pyproject_gives_dependencies_extras_and_groups_with_lines() -> None:
    text = """\
[project]
name = "application"
dependencies = [
  "idna>=3",
  "x @ https://elsewhere.test/x.whl",
]
[project.optional-dependencies]
db = ["psycopg2"]
[dependency-groups]
dev = ["six"]
lint = [{include-group = "dev"}, "ruff"]
"""
    read = read_pyproject(text, file="pyproject.toml", selection=select(extras="db", groups="lint"))
    assert [(str(one.requirement), one.origin.line) for one in read.wanted] == [
        ("idna>=3", 4),
        ("psycopg2", 8),
        ("six", 10),
        ("ruff", 11),
    ]
    assert [one.origin.line for one in read.skipped] == [5]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[project", "not TOML"),
        (f"x = {'[' * 5000}", "nested deeper"),
        ("[tool.x]\n", "neither"),
        ('[project]\ndynamic = ["dependencies"]\n', "dynamic"),
        ("[tool.poetry]\n", "Poetry's own tables"),
        ('[dependency-groups]\na = [{include-group = "a"}]\n', "a includes itself"),
        ('[dependency-groups]\na = [{include-group = "b"}]\n', "'b' not found"),
        ('[dependency-groups]\na = ["a b"]\n', "Expected"),
    ],
)
def test_pyproject_that_tells_no_dependencies_is_refused_with_the_reason(text: str, problem: str) -> None:
    selection = select(groups="a") if "groups" in text else select(extras="db")
    with pytest.raises(DependencyFileInvalidError, match=problem):
        read_pyproject(text, file="pyproject.toml", selection=selection)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (select(extras="db"), r"no extra 'db'\. It has: q"),
        (select(groups="dev"), r"no dependency group 'dev'\. It has no dependency group at all"),
    ],
)
def test_extra_or_group_that_a_pyproject_has_not_is_named_beside_those_that_it_has(
    selection: Selection, message: str
) -> None:
    text = '[project]\n[project.optional-dependencies]\nq = ["b"]\n'
    with pytest.raises(SelectionUnknownError) as raised:
        read_pyproject(text, file="pyproject.toml", selection=selection)
    assert re.search(message, str(raised.value))


def test_extras_of_the_project_itself_stand_for_what_is_in_them() -> None:
    text = """\
[project]
name = "An.Application"
dependencies = ["idna"]
[project.optional-dependencies]
web = ["h11", "an-application[all]"]
db = ["six ; sys_platform == 'linux'"]
all = ["an-application[web]", "an_application[db,none] ; python_version < '3.12'"]
[dependency-groups]
dev = ["an-application[all]", "ruff >= 1"]
"""
    read = read_pyproject(text, file="pyproject.toml", selection=select(groups="dev"))
    assert [(str(one.requirement), one.origin.line) for one in read.wanted] == [
        ("idna", 3),
        ("h11", 5),
        ('six; python_version < "3.12" and sys_platform == "linux"', 6),
        ("ruff>=1", 9),
    ]
    assert [(one.reason, one.is_wanted) for one in read.skipped] == [("the project has no extra 'none'", False)]


def test_extras_that_name_one_another_beyond_all_measure_are_refused() -> None:
    tables = [
        f"e{n} = [{', '.join(repr(f'a[e{n + 1}] ; os_name != {chr(34)}{n}{x}{chr(34)}') for x in 'xy')}]"
        for n in range(40)
    ]
    text = "\n".join(['[project]\nname = "a"\n[project.optional-dependencies]', *tables, "e40 = []"])
    with pytest.raises(DependencyFileInvalidError, match=r"too often|nested deeper"):
        read_pyproject(text, file="pyproject.toml", selection=select(extras="e0"))


@pytest.mark.parametrize("text", ["[", "version = 1\n", '[[package]]\nname = "x"\n', "package = 3\n"])
def test_uv_lock_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(DependencyFileInvalidError, match=r"uv\.lock cannot be read"):
        read_uv_lock(text, file="uv.lock", selection=Selection())


@pytest.mark.parametrize(
    "text", ["", "[", '[[package]]\nname = "x"\n', '[[package]]\nversion = "1"\n', "package = 3\n"]
)
def test_poetry_lock_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(DependencyFileInvalidError, match=r"poetry\.lock cannot be read"):
        read_poetry_lock(text, file="poetry.lock", selection=Selection())


@pytest.mark.parametrize("text", ["[", 'lock-version = "9.0"\n', 'lock-version = "1.0"\npackages = 1\n'])
def test_pylock_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(DependencyFileInvalidError, match=r"pylock\.toml cannot be read"):
        read_pylock(text, file="pylock.toml", selection=Selection())
