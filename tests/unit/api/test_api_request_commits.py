"""Requests whose lines name sources in git, over REST, on stores in memory."""

import hashlib
import io
import tarfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from tests.unit.api_harness import ApiHarness
from tests.unit.pipeline_harness import make_wheel
from tests.unit.request_harness import GRID, builds_of, finish_build, look, order, request_harness, statuses

from wheelyard.domain.builds.build import SourceKind, Status
from wheelyard.domain.builds.queue import Priority
from wheelyard.errors import GitUnavailableError
from wheelyard.interfaces import GitCommit
from wheelyard.usecases.read_dependencies import MOST_FILES, MOST_SOURCES

URL = "https://git.example/acme/demo"
COMMIT, OTHER = "0123456789abcdef" * 2 + "01234567", "fedcba9876543210" * 2 + "fedcba98"
LINE = f"demo @ git+{URL}@v1.2"
VERSION = "1.2.dev0+g0123456789ab"
WHEEL = f"demo-{VERSION}-1.bookworm-py3-none-any.whl"
DYNAMIC = '[project]\nname = "demo"\ndynamic = ["version", "dependencies"]\n'


def metadata(version: str, *needs: str) -> bytes:
    lines = [f"Requires-Dist: {need}" for need in needs]
    return "\n".join(["Metadata-Version: 2.4", "Name: demo", f"Version: {version}", *lines, ""]).encode()


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with request_harness(tmp_path) as made:
        made.repositories.refs["v1.2"] = GitCommit(commit=COMMIT, tag="v1.2")
        made.repositories.texts["pyproject.toml"] = (
            '[project]\nname = "demo"\nversion = "1.2"\ndependencies = ["lxml"]\n'
        )
        yield made


async def finish(harness: ApiHarness, request: dict[str, Any]) -> dict[str, Any]:
    """Let each queued build make a pure wheel of the version that was ordered."""
    view = await look(harness, request)
    while view["finished_at"] is None:
        for build in view["builds"]:
            stored = await harness.builds.get(build["build_id"])
            if stored.status is Status.QUEUED:
                name = f"{build['project']}-{build['version']}-1.bookworm-py3-none-any.whl"
                await finish_build(harness, build["build_id"], name, metadata=metadata(build["version"]))
        view = await look(harness, request)
    return view


async def lock(harness: ApiHarness, request: dict[str, Any], name: str, text: str) -> str:
    answer = await harness.client.post(f"{request['url']}/lock", json={"file": name, "files": {name: text}})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["text"])


async def test_line_of_a_commit_is_built_once_for_all_targets_and_shown_with_its_commit(harness: ApiHarness) -> None:
    files = {"requirements.txt": f"pyyaml\n{LINE}\n"}
    request = await order(harness, file="requirements.txt", files=files, **GRID)
    running = await look(harness, request)
    demo = [item for item in running["items"] if item["project"] == "demo"]
    assert [(item["version"], item["origin"]["line"], item["status"]) for item in demo] == [
        (VERSION, 2, "build"),
        *[(VERSION, 2, "waiting")] * 3,
    ]
    assert demo[0]["reason"] == f"it is commit 0123456789ab of {URL}"
    assert {(one["commit"], one["ref"], one["git"]) for one in (item["commit"] for item in demo)} == {
        (COMMIT, "v1.2", URL)
    }
    (build,) = [one for one in running["builds"] if one["project"] == "demo"]
    stored = await harness.builds.get(build["build_id"])
    assert stored.order.sdist.git is not None
    assert (stored.order.sdist.git.commit, stored.order.sdist.git.tag, stored.priority) == (
        COMMIT,
        "v1.2",
        Priority.BATCH,
    )
    done = await finish(harness, request)
    assert statuses(done) == ["present"] * 8
    assert (done["is_installable"], done["needs_lock"], done["skipped"]) == (True, True, [])
    assert f"demo=={VERSION}" in done["install"]
    text = await lock(harness, request, "requirements.txt", files["requirements.txt"])
    assert f"\ndemo=={VERSION} \\\n    --hash=sha256:" in f"\n{text}"
    assert "git" not in text


async def test_what_files_state_is_resolved_with_the_other_lines(harness: ApiHarness) -> None:
    await order(harness, requirements=["pyyaml", LINE.replace("demo", "demo[x]", 1)])
    (stated,) = [one for one in harness.resolver.stated if one.project == "demo"]
    assert (str(stated.version), stated.requires) == (VERSION, ("lxml",))


async def test_all_builds_are_of_the_commit_that_the_branch_was_when_it_was_requested(harness: ApiHarness) -> None:
    harness.repositories.refs["main"] = GitCommit(commit=COMMIT)
    request = await order(harness, requirements=[f"git+{URL}@main"], **GRID)
    harness.repositories.refs["main"] = GitCommit(commit=OTHER)
    first = (await look(harness, request))["builds"][0]["build_id"]
    await finish_build(harness, first, f"demo-{VERSION}-1.bullseye-cp311-cp311-linux_x86_64.whl")
    view = await look(harness, request)
    builds = [await harness.builds.get(one["build_id"]) for one in view["builds"]]
    assert len(builds) > 1, view["items"]
    assert {one.order.sdist.git and one.order.sdist.git.commit for one in builds} == {COMMIT}


async def test_second_request_finds_the_wheel_and_builds_nothing(harness: ApiHarness) -> None:
    await finish(harness, await order(harness, requirements=[LINE]))
    again = await look(harness, await order(harness, requirements=[f"git+{URL}@{COMMIT}"], **GRID))
    assert (statuses(again), again["builds"], again["is_installable"]) == (["present"] * 4, [], True)
    harness.repositories.refs["v1.2"] = GitCommit(commit=OTHER, tag="v1.2")
    other = await look(harness, await order(harness, requirements=[LINE]))
    assert builds_of(other)
    (item,) = other["items"]
    assert item["version"] == "1.2.dev0+gfedcba987654"
    (warning,) = item["commit"]["warnings"]
    assert "was commit 0123456789ab when it was built before" in warning


async def test_wheel_of_another_folder_of_the_commit_is_another_project_s(harness: ApiHarness) -> None:
    await finish(harness, await order(harness, requirements=[LINE]))
    other = await look(harness, await order(harness, requirements=[f"{LINE}#subdirectory=python"]))
    assert statuses(other) == ["build"]


async def test_version_and_needs_that_only_the_build_finds_out_are_in_what_comes_back(harness: ApiHarness) -> None:
    harness.repositories.texts["pyproject.toml"] = DYNAMIC
    line, made = f"git+{URL}@{COMMIT}", "0.1.dev1+g0123456"
    request = await order(harness, requirements=[line])
    running = await look(harness, request)
    assert [item["version"] for item in running["items"]] == ["0.dev0+g0123456789ab"]
    filename = f"demo-{made}-1.bookworm-py3-none-any.whl"
    order_of = (await harness.builds.get(running["builds"][0]["build_id"])).order
    assert order_of.version == "0.dev0+g0123456789ab"
    await finish_made(harness, running["builds"][0]["build_id"], filename, made, "lxml>=6")
    done = await look(harness, request)
    (item,) = done["items"]
    assert (item["version"], item["status"], item["hint"]) == (
        "0.dev0+g0123456789ab",
        "failed",
        "Ask again: it is known now.",
    )
    assert "its wheel needs lxml>=6" in item["reason"]
    await order(harness, requirements=[line])
    (stated,) = harness.resolver.stated
    assert (str(stated.version), stated.requires) == (made, ("lxml>=6",))
    again = await order(harness, requirements=[line, "lxml"])
    view = await finish(harness, again)
    assert {item["project"]: item["version"] for item in view["items"]} == {"demo": made, "lxml": "6.0.2"}
    text = await lock(harness, again, "requirements.txt", line)
    assert f"demo=={made} " in text


async def finish_made(harness: ApiHarness, build_id: str, filename: str, version: str, *needs: str) -> None:
    """Let a build find out the version of its commit, as the pipeline does, and publish its wheel."""
    stored = harness.state.records[build_id]
    stored.build = replace(stored.build, order=replace(stored.build.order, version=version))
    await finish_build(harness, build_id, filename, metadata=metadata(version, *needs))


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("other @ git+https://other.example/acme/demo@v1.2", 'WHEELYARD_GIT_HOSTS=["other.example"]'),
        (f"demo @ git+{URL}@v9", "has no commit, tag or branch v9"),
        (f"demo @ git+{URL}@0123456", "Write all 40 digits"),
        ("demo @ git+ssh://git@git.example/acme/demo", "ssh is no transport"),
    ],
)
async def test_line_that_cannot_be_built_is_its_own_problem(harness: ApiHarness, line: str, named: str) -> None:
    request = await order(harness, file="requirements.txt", files={"requirements.txt": f"pyyaml\n{line}\n"})
    (skipped,) = request["skipped"]
    assert (skipped["line"], skipped["is_wanted"]) == (2, True)
    assert named in skipped["reason"]
    done = await finish(harness, request)
    assert (statuses(done), done["is_installable"]) == (["present"], False)


async def test_host_that_does_not_answer_and_a_name_that_nobody_states_are_problems_of_their_lines(
    harness: ApiHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.repositories.texts.clear()
    request = await order(harness, requirements=["pyyaml", f"git+{URL}@v1.2"])
    assert "'NAME @ git+https://…'" in request["skipped"][0]["reason"]

    async def fail(*_: object) -> None:
        raise GitUnavailableError(url=URL, reason="it does not answer")

    monkeypatch.setattr(harness.repositories, "fetch", fail)
    request = await order(harness, requirements=["pyyaml", LINE])
    assert "it does not answer" in request["skipped"][0]["reason"]
    assert [item["project"] for item in request["items"]] == ["pyyaml"]


async def test_input_with_more_sources_than_are_allowed_fetches_none(harness: ApiHarness) -> None:
    lines = [f"git+{URL}{number}@{COMMIT}" for number in range(MOST_SOURCES + 1)]
    answer = await harness.client.post("/v1/requests/plan", json={"requirements": lines})
    assert answer.status_code == 422
    assert f"it names {MOST_SOURCES + 1} sources in git" in answer.text
    assert harness.repositories.fetched == []


async def test_input_with_more_files_than_are_allowed_fetches_none(harness: ApiHarness) -> None:
    lines = [
        f"demo @ https://files.example/demo-1.{number}.tar.gz#sha256={number:064}" for number in range(MOST_FILES + 1)
    ]
    answer = await harness.client.post("/v1/requests/plan", json={"requirements": lines})
    assert answer.status_code == 422
    assert f"it names {MOST_FILES + 1} files; {MOST_FILES} are allowed" in answer.text


UV_LOCK = f"""version = 1
requires-python = ">=3.11"

[[package]]
name = "application"
version = "1.0"
source = {{ editable = "." }}
dependencies = [{{ name = "demo" }}]

[[package]]
name = "demo"
version = "1.2"
source = {{ git = "{URL}?tag=v1.2#{COMMIT}" }}
"""


async def test_lock_pins_its_commit_also_after_the_tag_was_moved(harness: ApiHarness) -> None:
    wanted = {"file": "uv.lock", "files": {"uv.lock": UV_LOCK}}
    plan = (await harness.client.post("/v1/requests/plan", json=wanted)).json()
    assert [(item["commit"]["commit"], item["commit"]["tag"]) for item in plan["items"]] == [(COMMIT, "v1.2")]
    harness.repositories.refs["v1.2"] = GitCommit(commit=OTHER, tag="v1.2")
    request = await order(harness, **wanted)
    assert [(item["commit"]["commit"], item["commit"]["tag"]) for item in request["items"]] == [(COMMIT, None)]
    del harness.repositories.refs["v1.2"]
    request = await order(harness, **wanted)
    assert [item["version"] for item in request["items"]] == [VERSION]
    assert [(one["text"], one["is_wanted"]) for one in request["skipped"]] == [("application", False)]
    assert (await finish(harness, request))["is_installable"]
    assert f'version = "{VERSION}"' in await lock(harness, request, "uv.lock", UV_LOCK)


async def test_application_s_own_requirements_are_served_and_it_is_left_to_its_folder(harness: ApiHarness) -> None:
    pyproject = (
        f'[project]\nname = "application"\ndependencies = ["pyyaml", "{LINE}"]\noptional-dependencies.x = ["lxml"]\n'
    )
    files = {"requirements.txt": "-e .[x]\n-e ./libs/other\n", "pyproject.toml": pyproject}
    request = await order(harness, file="requirements.txt", files=files)
    assert sorted(item["project"] for item in request["items"]) == ["demo", "lxml", "pyyaml"]
    assert {item["origin"]["file"] for item in request["items"]} == {"pyproject.toml"}
    assert [(one["text"], one["is_wanted"]) for one in request["skipped"]] == [
        ("-e .[x]", False),
        ("-e ./libs/other", False),
    ]
    own, other = (one["reason"] for one in request["skipped"])
    assert "what its pyproject.toml requires is part of this prebuild" in own
    assert "'wheelyard build ./libs/other' publishes it" in other
    assert "its pyproject.toml was not given" in other
    done = await finish(harness, request)
    assert done["is_installable"]
    answer = await harness.client.post(f"{request['url']}/lock", json={"file": "requirements.txt", "files": files})
    assert answer.json()["files"].keys() == {"requirements.txt"}
    assert "# -e .[x]  (pip installs no folder" in answer.json()["text"]


async def test_folder_that_another_folder_requires_is_asked_of_no_index(harness: ApiHarness) -> None:
    files = {
        "requirements.txt": "-e .\n-e ./libs/inner\n-e .\n",
        "pyproject.toml": '[project]\nname = "outer"\ndependencies = ["Inner_Lib>=1", "pyyaml"]\n',
        "libs/inner/pyproject.toml": '[project]\nname = "inner.lib"\ndependencies = ["lxml"]\n',
    }
    request = await order(harness, file="requirements.txt", files=files)
    assert sorted(item["project"] for item in request["items"]) == ["lxml", "pyyaml"]
    assert [one["line"] for one in request["skipped"]] == [1, 2, 3]


@pytest.mark.parametrize(
    ("pyproject", "named"),
    [
        ('[project]\nname = "a"\ndynamic = ["dependencies"]\n', "are dynamic"),
        ("[project]\noptional-dependencies = 1\n", "not of the form"),
        ("[", "not TOML"),
    ],
)
async def test_application_whose_requirements_are_not_known_is_a_note_of_its_line(
    harness: ApiHarness, pyproject: str, named: str
) -> None:
    files = {"requirements.txt": "-e .\npyyaml\n", "pyproject.toml": pyproject}
    request = await order(harness, file="requirements.txt", files=files)
    assert [item["project"] for item in request["items"]] == ["pyyaml"]
    assert named in request["skipped"][0]["reason"]


async def sdist_of(harness: ApiHarness, project: str) -> str:
    return (await harness.source.project(canonicalize_name(project))).files[0].sha256


async def test_file_at_an_address_is_served_from_the_index_that_has_its_hash(harness: ApiHarness) -> None:
    digest = await sdist_of(harness, "pyyaml")
    line = f"pyyaml @ https://mirror.example/pyyaml-6.0.3.tar.gz#sha256={digest}"
    request = await order(harness, file="requirements.txt", files={"requirements.txt": f"lxml\n{line}\n"})
    assert request["skipped"] == []
    done = await finish(harness, request)
    assert {(item["project"], item["version"], item["origin"]["line"]) for item in done["items"]} == {
        ("lxml", "6.0.2", 1),
        ("pyyaml", "6.0.3", 2),
    }
    assert (done["is_installable"], done["needs_lock"]) == (True, True)
    text = await lock(harness, request, "requirements.txt", f"lxml\n{line}\n")
    assert "pyyaml==6.0.3 \\\n    --hash=sha256:" in text
    assert "mirror.example" not in text


async def test_file_that_no_index_has_is_never_replaced_by_the_release_of_its_name(harness: ApiHarness) -> None:
    assert (await finish(harness, await order(harness, requirements=["pyyaml"])))["is_installable"]
    line = f"pyyaml @ https://fork.example/pyyaml-6.0.3.tar.gz#sha256={'0' * 64}"
    request = await order(harness, requirements=[line, "lxml"])
    assert [item["project"] for item in request["items"]] == ["lxml"]
    (skipped,) = request["skipped"]
    assert skipped["is_wanted"]
    assert 'WHEELYARD_FILE_HOSTS=["fork.example"]' in skipped["reason"]
    assert not (await finish(harness, request))["is_installable"]


def sdist(*needs: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo("demo-1.2/PKG-INFO")
        info.size = len(content := metadata("1.2", *needs))
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def put(harness: ApiHarness, name: str, content: bytes) -> tuple[str, str, str]:
    """Put a file on the listed host; give its address, its hash, and the version of what is made of it."""
    address, digest = f"https://files.example/a/{name}", hashlib.sha256(content).hexdigest()
    harness.addresses.files[address] = content
    return address, digest, f"1.2.dev0+f{digest[:12]}"


async def test_sdist_at_an_address_is_built_once_as_a_version_that_replaces_no_release(harness: ApiHarness) -> None:
    address, digest, version = put(harness, "demo-1.2.tar.gz", sdist("lxml"))
    line = f"demo[x] @ {address}#sha256={digest}"
    request = await order(harness, file="requirements.txt", files={"requirements.txt": f"pyyaml\n{line}\n"}, **GRID)
    assert request["skipped"] == []
    (stated,) = [one for one in harness.resolver.stated if one.project == "demo"]
    assert (str(stated.version), stated.requires) == (version, ("lxml",))
    running = await look(harness, request)
    demo = [item for item in running["items"] if item["project"] == "demo"]
    assert {(item["version"], item["file"]["address"]) for item in demo} == {(version, address)}
    assert demo[0]["reason"] == f"it is the file at {address}"
    (build,) = [one for one in running["builds"] if one["project"] == "demo"]
    source = (await harness.builds.get(build["build_id"])).order.sdist
    assert (source.kind, source.filename, source.sha256) == (SourceKind.FILE, "demo-1.2.tar.gz", digest)
    done = await finish(harness, request)
    assert (done["is_installable"], done["needs_lock"]) == (True, True)
    text = await lock(harness, request, "requirements.txt", f"pyyaml\n{line}\n")
    assert f"\ndemo=={version} \\\n    --hash=sha256:" in f"\n{text}"
    assert "files.example" not in text
    again = await look(harness, await order(harness, requirements=[line], **GRID))
    assert (statuses(again), again["builds"]) == (["present"] * 4, [])


async def test_wheel_at_an_address_is_repaired_where_its_tags_allow_it(harness: ApiHarness) -> None:
    name = "demo-1.2-cp313-cp313-manylinux_2_36_x86_64.whl"
    address, digest, version = put(harness, name, make_wheel(name, version="1.2"))
    view = await look(harness, await order(harness, requirements=[f"demo @ {address}#sha256={digest}"], **GRID))
    assert {(item["python"], item["status"]) for item in view["items"] if item["python"] == "3.11"} == {
        ("3.11", "impossible")
    }
    assert "its tags or its Requires-Python are not for this target" in view["items"][0]["reason"]
    (build,) = view["builds"]
    order_of_it = (await harness.builds.get(build["build_id"])).order
    assert (order_of_it.is_brought, order_of_it.version, order_of_it.sdist.file) == (
        True,
        version,
        order_of_it.origin,
    )


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("demo-1.2.tar.gz", b"no archive", "cannot be read"),
        ("demo-1.2-py3-none-any.whl", b"no archive", "not a zip file that can be read"),
    ],
)
async def test_file_at_an_address_that_cannot_be_read_is_a_problem_of_its_line(
    harness: ApiHarness, name: str, content: bytes, named: str
) -> None:
    address, digest, _ = put(harness, name, content)
    request = await order(harness, requirements=["pyyaml", f"demo @ {address}#sha256={digest}"])
    assert named in request["skipped"][0]["reason"]
    assert [item["project"] for item in request["items"]] == ["pyyaml"]
    for line, reason in (
        (f"demo @ {address}?x#sha256={digest}", "query"),
        (f"demo @ {address.replace('/a/', '/b/')}#sha256={digest}", "404"),
    ):
        request = await order(harness, requirements=["pyyaml", line])
        assert reason in request["skipped"][0]["reason"]


UV_FILE = """version = 1
requires-python = ">=3.11"

[[package]]
name = "demo"
version = "1.2"
source = {{ url = "{address}" }}
sdist = {{ hash = "sha256:{digest}" }}

[[package]]
name = "application"
version = "1.0"
source = {{ editable = "." }}
dependencies = [{{ name = "demo" }}]
"""
POETRY_FILE = """[[package]]
name = "demo"
version = "1.2"
optional = false
groups = ["main"]
files = [{{ file = "demo-1.2.tar.gz", hash = "sha256:{digest}" }}]

[package.source]
type = "url"
url = "{address}"

[metadata]
lock-version = "2.1"
python-versions = ">=3.11"
content-hash = "0"
"""
PYLOCK_FILE = """lock-version = "1.0"
created-by = "tests"

[[packages]]
name = "demo"
version = "1.2"
archive = {{ url = "{address}", hashes = {{ sha256 = "{digest}" }} }}
"""


@pytest.mark.parametrize(
    ("file", "text"), [("uv.lock", UV_FILE), ("poetry.lock", POETRY_FILE), ("pylock.toml", PYLOCK_FILE)]
)
async def test_file_of_a_lock_is_built_and_comes_back_from_our_index(harness: ApiHarness, file: str, text: str) -> None:
    address, digest, version = put(harness, "demo-1.2.tar.gz", sdist())
    text = text.format(address=address, digest=digest)
    request = await order(harness, file=file, files={file: text})
    assert [item["version"] for item in request["items"]] == [version]
    assert (await finish(harness, request))["is_installable"]
    locked = await lock(harness, request, file, text)
    assert f'version = "{version}"' in locked
    assert "files.example" not in locked
    assert digest not in locked
