"""pip itself, in our bare runtime images, chooses the wheels that a prebuild expects it to choose."""

import json
from itertools import combinations
from pathlib import Path

import pytest
from tests.acceptance.bare_runtime import run_in_runtime, runtime_image
from tests.acceptance.running_service import RunningService
from tests.integration.folder_index import folder_index

from wheelyard.assembly.parts import pip_wheel
from wheelyard.domain.packaging.coverage import best_wheel
from wheelyard.domain.packaging.target import Target
from wheelyard.settings import Settings

PLATFORMS = {
    "bullseye": "manylinux_2_31_x86_64",
    "bookworm": "manylinux_2_36_x86_64",
    "trixie": "manylinux_2_41_x86_64",
}
ENDS = (
    "-py3-none-any.whl",
    "-1.bookworm-py2.py3-none-any.whl",
    "-py311-none-any.whl",
    "-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "-1.trixie-py3-none-manylinux_2_36_x86_64.whl",
    "-py3-none-manylinux_2_41_x86_64.whl",
    "-1.bullseye-cp311-abi3-manylinux_2_17_x86_64.whl",
    "-cp312-abi3-manylinux_2_31_x86_64.whl",
    "-cp311-abi3-manylinux_2_41_x86_64.whl",
    "-cp311-cp311-manylinux_2_31_x86_64.whl",
    "-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "-1.bookworm-cp313-cp313-manylinux_2_31_x86_64.whl",
    "-2.bookworm-cp313-cp313-manylinux_2_31_x86_64.whl",
    "-cp313-cp313-manylinux_2_41_x86_64.whl",
    "-cp313-none-manylinux_2_28_x86_64.whl",
    "-cp313-cp313-musllinux_1_2_x86_64.whl",
    "-cp313-cp313-manylinux_2_17_aarch64.whl",
    "-cp313-cp313t-manylinux_2_17_x86_64.whl",
)
IMAGES = [
    ("bookworm", "3.13"),
    ("trixie", "3.13"),
    *(pytest.param(suite, "3.11", marks=pytest.mark.slow_prebuild) for suite in PLATFORMS),
    pytest.param("bullseye", "3.13", marks=pytest.mark.slow_prebuild),
]


@pytest.mark.parametrize(("suite", "python"), IMAGES)
def test_pip_chooses_the_wheel_that_is_expected_of_every_pair(
    service: RunningService, tmp_path: Path, suite: str, python: str
) -> None:
    target = Target.parse(python=python, platform=PLATFORMS[suite])
    projects = {
        f"project{number}": [f"project{number}-1.0{end}" for end in ends]
        for number, ends in enumerate(combinations(ENDS, 2))
    }
    expected = {name: best for name, files in projects.items() if (best := best_wheel(files, target)) is not None}
    assert set(expected) < set(projects), "there are pairs of which neither fits"
    with folder_index(tmp_path) as index:
        for files in projects.values():
            for file in files:
                index.add_wheel(file)
        assert _choose(service, runtime_image(service, suite, python), index.url, list(expected)) == expected


def _choose(service: RunningService, image: str, index_url: str, names: list[str]) -> dict[str, str]:
    pip = pip_wheel(Settings(state_dir=service.state_dir))
    install = (
        f"python {pip.name}/pip install --quiet --disable-pip-version-check --no-cache-dir --dry-run --no-deps "
        f"--only-binary :all: --index-url {index_url} --report report.json -r requirements.txt"
    )
    files: dict[str, bytes | Path] = {pip.name: pip, "requirements.txt": "\n".join(names).encode()}
    done = run_in_runtime(service, image, f"{install} >&2 && cat report.json", files)
    assert done.returncode == 0, done.stderr
    chosen = (entry["download_info"]["url"].rpartition("/")[2] for entry in json.loads(done.stdout)["install"])
    return {file.partition("-")[0]: file for file in chosen}
