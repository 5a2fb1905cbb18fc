"""What others made, sent by real twine, uv and our own command to a real service, which proves or builds it first."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import httpx
import pytest
from tests.acceptance.conftest import StartService
from tests.acceptance.running_service import RunningService
from tests.acceptance.upstream import MISSING_HEADER, NATIVE, QUICK, Upstream, make_sdist
from tests.unit.pipeline_harness import pack_wheel
from uv import find_uv_bin

BOOKWORM_ALONE = """
schema = 1
[suite.bullseye]
pythons = ["3.11"]
[suite.trixie]
pythons = ["3.11"]
"""
"""A catalogue in which a wheel for Python 3.13 is proven on one target, so that one set of images is enough."""
SECONDS = 240


def pack(folder: Path, project: str, code: bytes, **members: bytes) -> Path:
    """Make a pure wheel of one module."""
    folder.mkdir(exist_ok=True)
    name = f"{project}-1.0-py3-none-any.whl"
    metadata = f"Metadata-Version: 2.4\nName: {project}\nVersion: 1.0\nRequires-Python: >=3.13\n".encode()
    content = {f"{project}-1.0.dist-info/METADATA": metadata, f"{project}.py": code, **members}
    (folder / name).write_bytes(pack_wheel(name, content))
    return folder / name


@pytest.fixture(scope="module")
def twine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install twine from the public index into an environment of its own."""
    return install_tool(tmp_path_factory.mktemp("twine"), "twine")


def install_tool(folder: Path, name: str) -> Path:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=SECONDS)
    install = [find_uv_bin(), "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), name]
    subprocess.run(install, check=True, timeout=SECONDS)
    return folder / "bin" / name


@pytest.fixture(scope="module")
def poetry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install Poetry from the public index into an environment of its own."""
    return install_tool(tmp_path_factory.mktemp("poetry"), "poetry")


@pytest.fixture
def service(start_spare: StartService, tmp_path: Path) -> Iterator[RunningService]:
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(BOOKWORM_ALONE)
    catalogue.chmod(0o644)
    tmp_path.chmod(0o755)
    with start_spare(CATALOGUE=str(catalogue)) as made:
        yield made


def run(command: Sequence[str | Path], **environment: str) -> tuple[int, str]:
    """Run a tool, and return its exit code and everything that it printed, on one line."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TWINE_", "WHEELYARD_"))}
    done = subprocess.run(command, env=kept | environment, capture_output=True, check=False, text=True, timeout=SECONDS)
    return done.returncode, " ".join(f"{done.stdout} {done.stderr}".split())


def send_with_twine(twine: Path, service: RunningService, file: Path, token: str) -> tuple[int, str]:
    command: list[str | Path] = [
        twine,
        "upload",
        "--disable-progress-bar",
        "--repository-url",
        f"{service.url}/legacy/",
        file,
    ]
    return run(command, TWINE_USERNAME="__token__", TWINE_PASSWORD=token, TWINE_NON_INTERACTIVE="1", COLUMNS="1000")


def send_with_uv(service: RunningService, file: Path, token: str) -> tuple[int, str]:
    command: list[str | Path] = [
        find_uv_bin(),
        "publish",
        "--trusted-publishing",
        "never",
        "--publish-url",
        f"{service.url}/legacy/",
        file,
    ]
    return run(command, UV_PUBLISH_TOKEN=token)


def send_with_poetry(poetry: Path, service: RunningService, file: Path, token: str) -> tuple[int, str]:
    """Publish a wheel as that of a project of Poetry's, which needs no more than a name and a version."""
    project = file.parent / f"{file.stem}-project"
    (project / "dist").mkdir(parents=True, exist_ok=True)
    (project / "dist" / file.name).write_bytes(file.read_bytes())
    name, version, *_ = file.name.split("-")
    (project / "pyproject.toml").write_text(f'[project]\nname = "{name}"\nversion = "{version}"\n')
    return run(
        [poetry, "publish", "--no-interaction", "--repository", "wheelyard", "--directory", project],
        POETRY_REPOSITORIES_WHEELYARD_URL=f"{service.url}/legacy/",
        POETRY_HTTP_BASIC_WHEELYARD_USERNAME="__token__",
        POETRY_HTTP_BASIC_WHEELYARD_PASSWORD=token,
        PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring",
        COLUMNS="1000",
    )


def listed(service: RunningService, project: str) -> list[str]:
    """Return the files that our index lists for installers."""
    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    answer = service.http.get(f"/simple/{project}/", headers=accept)
    if answer.status_code == httpx.codes.NOT_FOUND:
        return []
    return [file["filename"] for file in answer.raise_for_status().json()["files"]]


def test_upload_tools_publish_what_is_proven_and_show_why_the_rest_is_refused(
    service: RunningService, twine: Path, poetry: Path, tmp_path: Path
) -> None:
    good = pack(tmp_path / "good", "acme_good", b"answer = 42\n")
    other = pack(tmp_path / "other", "acme_good", b"answer = 43\n")
    broken = pack(tmp_path / "broken", "acme_broken", b"import nothing_of_this_name\n")
    liar = pack(tmp_path / "liar", "acme_liar", b"answer = 42\n", **{"numpy/__init__.py": b""})
    pushed = pack(tmp_path / "pushed", "acme_pushed", b"answer = 42\n")

    def with_twine(file: Path) -> tuple[int, str]:
        return send_with_twine(twine, service, file, service.token)

    def with_uv(file: Path) -> tuple[int, str]:
        return send_with_uv(service, file, service.token)

    for send in (with_twine, with_uv):
        code, said = send(good)
        assert code == 0, said  # uv sends the same bytes again
        code, said = send(other)
        assert code != 0
        assert "already exists, with other bytes" in said
        code, said = send(broken)
        assert code != 0
        assert "[upload-refused]" in said
        assert "No module named 'nothing_of_this_name'" in said
        assert f"{service.url}/builds/" in said
    code, said = send_with_poetry(poetry, service, good, service.token)
    assert code == 0, said
    code, said = send_with_poetry(poetry, service, other, service.token)
    assert code != 0
    assert "already exists, with other bytes" in said
    assert listed(service, "acme-good") == [good.name]
    assert listed(service, "acme-broken") == []

    code, said = send_with_twine(twine, service, good, "wy_wrong")
    assert code != 0
    assert "[unauthenticated]" in said

    done = service.cli("push", str(pushed), str(broken), str(liar))
    assert done.returncode == 1, done.stderr
    assert f"{pushed.name}\n  result   published, unchanged\n" in done.stdout
    assert f"{broken.name}\n  result   refused: verify-failed\n" in done.stdout
    assert liar.name in done.stdout
    files = {one["filename"]: one for one in service.http.get("/v1/files").raise_for_status().json()["files"]}
    assert (files[pushed.name]["state"], files[good.name]["state"]) == ("published", "published")
    assert service.http.get(f"/v1/wheels/{pushed.name}").raise_for_status().json()["origin"] == "brought"
    service.assert_nothing_half_done()


COMPILED: Final = (
    "if os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h')) and shutil.which('cc'): " + NATIVE
)
"""Compiles an extension module in a builder, and nothing on this host, where pip only wants the metadata."""


def test_sdist_becomes_a_wheel_and_is_listed_with_it_byte_for_byte(
    start_spare: StartService, upstream: Upstream, twine: Path, tmp_path: Path
) -> None:
    upstream.add("acmeflow", QUICK)  # a stranger's, which nobody must get
    act = "import shutil\n    " + COMPILED
    sdist = tmp_path / "acmeflow-1.0.tar.gz"
    sdist.write_bytes(make_sdist("acmeflow", act, pythons=">=3.13"))
    broken = tmp_path / "acmebroken-1.0.tar.gz"
    broken.write_bytes(make_sdist("acmebroken", MISSING_HEADER, pythons=">=3.13"))
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(BOOKWORM_ALONE)
    catalogue.chmod(0o644)
    tmp_path.chmod(0o755)
    with start_spare(CATALOGUE=str(catalogue), UPLOAD_WAIT_SECONDS=str(SECONDS)) as service:
        code, said = send_with_twine(twine, service, sdist, service.token)
        assert code == 0, said
        wheel, source = sorted(listed(service, "acmeflow"), key=len, reverse=True)
        assert source == sdist.name
        assert wheel.startswith("acmeflow-1.0-1.bookworm-cp313-cp313-manylinux"), wheel
        found = service.http.get(f"/v1/files/{sdist.name}").raise_for_status().json()
        assert (found["state"], found["wheels"], found["is_done"]) == ("published", [wheel], True)

        index = f"{service.url.replace('://', f'://__token__:{service.token}@')}/simple/"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--isolated", "--disable-pip-version-check"]
        command += ["--no-binary", ":all:", "--no-deps", "--no-build-isolation", "--ignore-requires-python"]
        code, said = run([*command, "--index-url", index, "--dest", str(tmp_path / "got"), "acmeflow"])
        assert code == 0, said
        assert (tmp_path / "got" / sdist.name).read_bytes() == sdist.read_bytes()

        done = service.cli("push", str(sdist), str(broken))
        assert done.returncode == 1, done.stderr
        assert f"{sdist.name}\n  result   published, with 1 wheel\n    {wheel}\n" in done.stdout
        assert f"{broken.name}\n  result   refused: build-failed\n" in done.stdout
        assert "nowhere-to-be-found.h" in done.stdout
        code, said = send_with_twine(twine, service, broken, service.token)
        assert code != 0
        assert "[upload-refused]" in said
        assert "nowhere-to-be-found.h" in said
        assert listed(service, "acmebroken") == []
        service.assert_nothing_half_done()


def test_upload_that_was_answered_outlives_a_kill_of_everything(
    start_spare: StartService, service: RunningService, tmp_path: Path
) -> None:
    file = pack(tmp_path / "kept", "acme_kept", b"answer = 42\n")
    answer = service.http.post("/v1/files", params={"filename": file.name, "wait": False}, content=file.read_bytes())
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    service.kill_everything()
    assert file.is_file()
    with start_spare(CATALOGUE=str(tmp_path / "catalogue.toml")) as again:
        build = again.finished(str(answer.json()["build_id"]))
        assert build["status"] == "succeeded", build
        assert again.http.get(f"/v1/files/{file.name}").raise_for_status().json()["state"] == "published"
        assert listed(again, "acme-kept") == [file.name]
