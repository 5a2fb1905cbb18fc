"""The wheels on the index, as pip and a bare machine meet them."""

import base64
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from email.parser import BytesHeaderParser
from pathlib import Path

import httpx
import pytest
from tests.acceptance.requested import PROJECTS, RequestedWheel
from tests.acceptance.running_service import RunningService

from wheelyard.assembly.parts import pip_wheel
from wheelyard.settings import Settings

Wheels = dict[str, RequestedWheel]


@pytest.mark.parametrize("project", PROJECTS)
def test_wheel_is_on_the_index_once_with_the_very_bytes_that_were_proven(
    service: RunningService, requested: Wheels, project: str
) -> None:
    wheel = requested[project].build["wheel"]

    # Other tests of this service have the same projects built for other targets.
    (listed,) = (file for file in service.index_files(project) if file["filename"] == wheel["filename"])
    content = httpx.get(listed["url"], trust_env=False).raise_for_status().content

    assert wheel["filename"].split("-")[2] == "1.bookworm", "our wheels carry a build tag"
    assert listed["hashes"]["sha256"] == wheel["sha256"] == hashlib.sha256(content).hexdigest()
    assert len(content) == wheel["size_bytes"]


@pytest.mark.parametrize("project", PROJECTS)
def test_record_of_the_wheel_fits_its_content(requested: Wheels, project: str) -> None:
    bundle = _open(requested[project])

    (record,) = [name for name in bundle.namelist() if name.endswith(".dist-info/RECORD")]
    rows = [line.rsplit(",", 2) for line in bundle.read(record).decode().splitlines()]

    assert sorted(path for path, _, _ in rows) == sorted(bundle.namelist())
    for path, digest, _ in rows:
        assert digest == _digest(bundle.read(path)) or path == record


def test_pure_project_passes_through_untouched_but_for_the_build_tag(requested: Wheels) -> None:
    wheel = requested["idna"].build["wheel"]
    bundle = _open(requested["idna"])

    assert wheel["is_pure"]
    assert wheel["tag"] == wheel["tag_before_repair"] == "py3-none-any"
    assert (wheel["policy"], wheel["grafted"], wheel["extensions"]) == (None, [], [])
    assert [name for name in bundle.namelist() if ".libs/" in name or "sbom" in name] == []
    (path,) = [name for name in bundle.namelist() if name.endswith(".dist-info/WHEEL")]
    header = BytesHeaderParser().parsebytes(bundle.read(path))
    assert (header["Root-Is-Purelib"], header["Tag"], header["Build"]) == ("true", "py3-none-any", "1.bookworm")
    assert "auditwheel" not in header["Generator"]


def test_native_wheel_says_that_it_is_native(requested: Wheels) -> None:
    bundle = _open(requested["pyyaml"])

    (path,) = [name for name in bundle.namelist() if name.endswith(".dist-info/WHEEL")]
    header = BytesHeaderParser().parsebytes(bundle.read(path))
    assert (header["Root-Is-Purelib"], header["Build"]) == ("false", "1.bookworm")
    tags = {f"cp313-cp313-{one}" for one in requested["pyyaml"].build["wheel"]["tag"].split("-")[2].split(".")}
    assert set(header.get_all("Tag", [])) == tags


def test_pip_takes_every_wheel_from_the_index(service: RunningService, requested: Wheels, tmp_path: Path) -> None:
    builds = [wheel.build for wheel in requested.values()]
    # With --platform, pip takes these very tags only and not, as on the platform itself, the older ones too.
    platforms = sorted({tag for build in builds for tag in build["wheel"]["tag"].split("-")[2].split(".")} - {"any"})
    pip = pip_wheel(Settings(state_dir=service.state_dir))

    completed = subprocess.run(
        [
            *(sys.executable, f"{pip}/pip", "--isolated", "--disable-pip-version-check", "--no-cache-dir", "download"),
            *("--only-binary", ":all:", "--index-url", f"{service.url}/simple/", "--dest", str(tmp_path), "--no-deps"),
            *("--python-version", "3.13", "--implementation", "cp", "--abi", "cp313"),
            *(f"--platform={platform}" for platform in platforms),
            *(f"{build['project']}=={build['version']}" for build in builds),
        ],
        capture_output=True,
        check=False,
        text=True,
    )

    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(build["wheel"]["filename"] for build in builds)


def test_demo_installs_and_imports_the_wheels_in_the_bare_runtime(service: RunningService, requested: Wheels) -> None:
    completed = service.cli("demo")

    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert "compiler: none" in completed.stdout
    assert "imported markupsafe._speedups" in completed.stdout
    assert "with libyaml 0.2" in completed.stdout
    assert requested["pyyaml"].build["wheel"]["filename"] in completed.stdout


@pytest.mark.parametrize("project", PROJECTS)
def test_wheel_comes_out_the_same_in_other_surroundings(
    service: RunningService, requested: Wheels, project: str
) -> None:
    completed = service.cli("rebuild", requested[project].build["wheel"]["filename"], "--json")

    assert completed.returncode == 0, completed.stdout + completed.stderr
    told = json.loads(completed.stdout)
    assert (told["identical"], told["changes"], told["comparison"]["differences"]) == (True, [], [])


def _open(wheel: RequestedWheel) -> zipfile.ZipFile:
    response = httpx.get(wheel.build["wheel"]["url"], trust_env=False)
    return zipfile.ZipFile(io.BytesIO(response.raise_for_status().content))


def _digest(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={digest.rstrip(b'=').decode()}"
