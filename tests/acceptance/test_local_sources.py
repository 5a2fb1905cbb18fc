"""A folder of the user's disk, built by ``wheelyard build`` on a real service: installed by its exact version alone."""

import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.bare_runtime import run_in_runtime, runtime_image
from tests.acceptance.conftest import StartService
from tests.acceptance.running_service import RunningService
from tests.acceptance.test_uploads import BOOKWORM_ALONE, pack

from wheelyard.assembly.parts import pip_wheel
from wheelyard.settings import Settings

PYPROJECT = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "acme-local"
version = "2.0"

[tool.setuptools]
py-modules = ["acme_local"]
ext-modules = [{name = "_acme_local", sources = ["_acme_local.c"]}]
"""
EXTENSION = """#include <Python.h>
#include "answer.h"
static PyModuleDef demo = {PyModuleDef_HEAD_INIT, "_acme_local", NULL, ANSWER, NULL, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit__acme_local(void) { return PyModule_Create(&demo); }
"""


@pytest.fixture
def service(start_spare: StartService, tmp_path: Path) -> Iterator[RunningService]:
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(BOOKWORM_ALONE)
    catalogue.chmod(0o644)
    tmp_path.chmod(0o755)
    settings = {"UPSTREAM_INDEX_URL": Settings().upstream_index_url, "LIMIT_UPLOAD_BYTES": str(1 << 20)}
    with start_spare(CATALOGUE=str(catalogue), **settings) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "billing"
    made.mkdir()
    files = {"pyproject.toml": PYPROJECT, "acme_local.py": "import _acme_local\n", "_acme_local.c": EXTENSION}
    for name, text in {**files, "answer.h": "#define ANSWER -1\n", "MANIFEST.in": "include answer.h\n"}.items():
        (made / name).write_text(text)
    (made / ".venv").mkdir()
    (made / ".venv" / "large.bin").write_bytes(b"x" * (1 << 20))
    return made


def installed(service: RunningService, requirement: str) -> str:
    """Install from our index alone, by real pip in a bare container, and return the version that it chose."""
    pip = pip_wheel(Settings(state_dir=service.state_dir))
    url = service.url.replace("://", f"://__token__:{service.token}@")
    script = (
        f"python {pip.name}/pip install --quiet --disable-pip-version-check --no-cache-dir --only-binary :all: "
        f"--root-user-action ignore --target out --index-url {url}/simple/ '{requirement}' >&2 && "
        f"PYTHONPATH=out python -c 'import acme_local, importlib.metadata as m; print(m.version(\"acme-local\"))'"
    )
    done = run_in_runtime(service, runtime_image(service, "bookworm", "3.13"), script, {pip.name: pip})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_folder_becomes_a_wheel_that_only_its_exact_version_installs(
    service: RunningService, folder: Path, tmp_path: Path
) -> None:
    release = pack(tmp_path / "release", "acme_local", b"answer = 42\n")
    done = service.cli("push", str(release))
    assert done.returncode == 0, done.stdout + done.stderr

    built = service.cli("build", str(folder), "--wait", "--json")

    assert built.returncode == 0, built.stdout + built.stderr
    build = json.loads(built.stdout)
    sent, version = build["local_source"], build["version"]
    assert (sent["kind"], sent["name"], sent["commit"]) == ("folder", "billing", None)
    assert sent["size_bytes"] < 1 << 16, "the environment in the folder was sent"
    assert version == f"2.0.dev0+l{sent['sha256'][:12]}"
    assert build["wheel"]["filename"].startswith(f"acme_local-{version}-1.bookworm-cp313-cp313-manylinux")
    assert "_acme_local" in build["wheel"]["imported_modules"]
    assert f"local folder billing sha256={sent['sha256']}, sent by {sent['sent_by']}" in service.log(build["id"])

    assert installed(service, "acme-local") == "1.0"
    assert installed(service, "acme-local>=1") == "1.0"
    assert installed(service, f"acme-local=={version}") == version

    again = service.cli("build", str(folder), "--wait")
    assert again.returncode == 0, again.stderr
    assert f"already built as {build['id']}" in again.stderr
    assert f"local folder billing, sent by {sent['sent_by']}" in again.stdout
    service.assert_nothing_half_done()


def test_sdist_of_the_disk_is_built_and_a_token_for_requests_may_not_send_it(
    service: RunningService, tmp_path: Path
) -> None:
    sdist = tmp_path / "acme_pure-1.0.tar.gz"
    files = {
        "PKG-INFO": "Metadata-Version: 2.2\nName: acme-pure\nVersion: 1.0\n",
        "pyproject.toml": '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "acme-pure"\nversion = "1.0"\n[tool.setuptools]\npy-modules = ["acme_pure"]\n',
        "acme_pure.py": "answer = 42\n",
    }
    for name, text in files.items():
        path = tmp_path / "acme_pure-1.0" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    with tarfile.open(sdist, "w:gz") as archive:
        archive.add(tmp_path / "acme_pure-1.0", "acme_pure-1.0")

    tokens = {}
    for scope, further in {"request": [], "publish": ["--project", "acme-other"]}.items():
        made = service.cli("token", "create", f"{scope}-only", "--scope", scope, *further, "--json")
        assert made.returncode == 0, made.stderr
        tokens[scope] = json.loads(made.stdout)["secret"]
    refused = {scope: service.cli("build", str(sdist), TOKEN=token, URL=service.url) for scope, token in tokens.items()}
    assert "error[forbidden]" in refused["request"].stderr, refused["request"].stderr
    assert "error[publish-forbidden]" in refused["publish"].stderr, refused["publish"].stderr
    assert service.http.get("/v1/builds", params={"project": "acme-pure"}).json()["builds"] == []

    built = service.cli("build", str(sdist), "--wait", "--json")
    assert built.returncode == 0, built.stdout + built.stderr
    build = json.loads(built.stdout)
    assert build["version"] == f"1.0.dev0+l{build['local_source']['sha256'][:12]}"
    assert build["sdist"]["filename"] == sdist.name

    (tmp_path / "acme_pure-1.0" / "data").mkdir()
    (tmp_path / "acme_pure-1.0" / "data" / "noise.bin").write_bytes(os.urandom(8 << 20))
    large = service.cli("build", str(tmp_path / "acme_pure-1.0"))
    assert large.returncode != 0
    assert "error[upload-too-large]" in large.stderr, large.stderr
    assert "The largest are data/noise.bin (8.0 MiB)" in " ".join(large.stderr.split()), large.stderr
