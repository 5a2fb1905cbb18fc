"""The wheel that all acceptance tests run from: it is whole, the same from clone and sdist, and nothing else is run."""

import subprocess
import zipfile
from pathlib import Path
from typing import Final

from tests.acceptance.installed import ROOT, build, built_wheel, install, installed_program
from tests.acceptance.processes import command_line, descendants
from tests.acceptance.running_service import RunningService

# Where the files of the clone are in the wheel.
_PLACES: Final = {
    "service/wheelyard": "wheelyard",
    "builders": "wheelyard/_data/builders",
    "recipes": "wheelyard/_data/recipes",
    "devpi.lock": "wheelyard/_data/devpi.lock",
    "guide.zip": "wheelyard/_data/guide.zip",
}
_OPERATOR: Final = 4
"""Exit code of what the operator has to mend, see docs/cli.md."""


def test_wheel_holds_every_module_and_data_file_and_nothing_else() -> None:
    with zipfile.ZipFile(built_wheel()) as wheel:
        held = {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}

    expected = {place + path.removeprefix(name): path for name, place in _PLACES.items() for path in _files_of(name)}
    assert sorted(held) == sorted(expected)
    assert [place for place, path in expected.items() if held[place] != (ROOT / path).read_bytes()] == []


def test_clone_makes_the_very_wheel_that_its_sdist_makes(tmp_path: Path) -> None:
    assert build(tmp_path, "--wheel").read_bytes() == built_wheel().read_bytes()


def test_no_process_of_the_service_runs_anything_of_the_clone(service: RunningService) -> None:
    lines = [command_line(mark) for mark in descendants(service.process.pid)]
    environment = str(installed_program().parents[1])

    assert [line for line in lines if f"{ROOT}/" in line] == []
    assert [line for line in lines if f"{environment}/lib/" in line], "children are started by files of the package"


def test_service_shows_the_guide_that_came_with_the_wheel(service: RunningService) -> None:
    with zipfile.ZipFile(ROOT / "guide.zip") as guide:
        page = guide.read("settings/index.html").decode()

    assert service.http.get("/guide/settings/").raise_for_status().text == page


def test_client_works_without_what_runs_on_servers(service: RunningService) -> None:
    client = install("client")

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [str(client), *arguments]
        return subprocess.run(
            command, env=service.launch.environment, cwd="/", capture_output=True, check=False, text=True
        )

    status, doctor = run("status"), run("doctor")
    assert (status.returncode, "ready" in status.stdout) == (0, True), status.stderr
    assert (doctor.returncode, "error[service-not-installed]" in doctor.stderr) == (_OPERATOR, True), doctor.stderr


def _files_of(name: str) -> list[str]:
    path = ROOT / name
    files = [path] if path.is_file() else (one for one in path.rglob("*") if one.is_file())
    return [file.relative_to(ROOT).as_posix() for file in files if "__pycache__" not in file.parts]
