"""The application of examples/, built both ways by the very commands of its README, and looked at from outside."""

import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest
from tests.acceptance.installed import installed_program
from tests.acceptance.passing_index import open_passing_index
from tests.acceptance.processes import free_port, wait_for
from tests.acceptance.running_service import RunningService

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
WAYS: Final = {"wheels": "8081", "source": "8082"}
"""How the application is built, and the port that the README gives it."""
_IMAGES: Final = ("builder:3.13", "runtime:3.13")
START_SECONDS: Final = 60.0
_LOOK: Final = (
    "find /opt -writable -not -type l; for name in gcc g++ cc ld make pip uv; do command -v $name; done; id -u"
)
# This host's engine wants a lower limit, and image builds here know neither its CA nor, so, the upstream index.
_PRELUDE: Final = """
docker() {
  case $1 in
    build) command "$ENGINE" build $LIMITED --network host --build-arg UV_DEFAULT_INDEX="$UPSTREAM" "${@:2}" ;;
    run) command "$ENGINE" run $LIMITED "${@:2}" ;;
    *) command "$ENGINE" "$@" ;;
  esac
}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Walkthrough:
    """The README on a copy of the example, with names and ports that nobody else has."""

    readme: str
    folder: Path
    engine: str
    environment: dict[str, str]
    ports: dict[str, int]
    name: str

    def follow(self, heading: str, *, folder: str = "examples/noticeboard") -> str:
        """Run the commands of one section as they stand there."""
        script = "set -euo pipefail\n" + _PRELUDE + "\n".join(self._blocks(heading, "sh"))
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder / folder,
            env=self.environment,
            capture_output=True,
            check=False,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, f"{heading}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def shown(self, heading: str) -> str:
        """Give what the README shows below a command."""
        (block,) = self._blocks(heading, "console")
        return block.partition("\n")[2]

    def image(self, way: str) -> str:
        """Name the application's image."""
        return f"{self.name}/noticeboard:{way}"

    def ask(self, *arguments: str) -> str:
        """Ask the engine."""
        done = subprocess.run([self.engine, *arguments], capture_output=True, check=True, text=True)
        return done.stdout.strip()

    def run(self, image: str, script: str) -> list[str]:
        """Run a script as the image's own user, held back by nothing but the image."""
        options = ("--rm", "--network", "none", self.environment["LIMITED"])
        return self.ask("run", *options, image, "sh", "-c", f"{script}\ntrue").splitlines()

    def page(self, way: str) -> str | None:
        """Read the page; None while nobody answers."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.ports[way]}/", trust_env=False).raise_for_status().text
        except httpx.TransportError:
            return None

    def layers(self, image: str) -> list[str]:
        """List an image's layers."""
        return self.ask("image", "inspect", "--format", "{{join .RootFS.Layers `\n`}}", image).splitlines()

    def size(self, image: str) -> int:
        """Give an image's size in bytes."""
        return int(self.ask("image", "inspect", "--format", "{{.Size}}", image))

    def clean_up(self) -> None:
        """Remove what is there still, whatever went wrong."""
        images = [f"{self.name}/{one}" for one in ("noticeboard:wheels", "noticeboard:source", *_IMAGES)]
        for command in (["rm", "--force", *(f"{self.name}-{way}" for way in WAYS)], ["image", "rm", *images]):
            subprocess.run([self.engine, *command], capture_output=True, check=False)

    def _blocks(self, heading: str, kind: str) -> list[str]:
        section = self.readme.split(f"\n## {heading}\n")[1].split("\n## ")[0]
        blocks = re.findall(rf"^```{kind}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
        assert blocks, f"{heading} has no {kind}"
        return blocks


@pytest.fixture(scope="module")
def walkthrough(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walkthrough]:
    """Follow the README as far as both applications run; its own last section removes what it made."""
    folder, name = tmp_path_factory.mktemp("example"), f"example-{uuid.uuid4().hex[:8]}"
    ports = {way: free_port() for way in WAYS}
    shutil.copytree(EXAMPLES, folder / "examples", ignore=shutil.ignore_patterns("wheels.lock"))
    for path in (folder / "examples" / "README.md", *folder.rglob("*.Dockerfile")):
        path.write_text(_renamed(path.read_text(), name, ports))
    with open_passing_index() as upstream:
        guide = Walkthrough(
            readme=(folder / "examples" / "README.md").read_text(),
            folder=folder,
            engine=service.engine,
            environment={**_environment(service), "UPSTREAM": upstream},
            ports=ports,
            name=name,
        )
        try:
            guide.follow("The images", folder=".")
            for heading in ("From wheels", "From sources", "Run them"):
                guide.follow(heading)
            yield guide
            guide.follow("Clean up")
        finally:
            guide.clean_up()


def _renamed(text: str, name: str, ports: dict[str, int]) -> str:
    for way, port in WAYS.items():
        text = text.replace(port, str(ports[way]))
    return re.sub(r"\bexample(?=[/-])", name, text)


def _environment(service: RunningService) -> dict[str, str]:
    limit = os.environ.get("WHEELYARD_ENGINE_OPEN_FILES", "16384")
    return {
        **service.launch.environment,
        "PATH": f"{installed_program().parent}:{os.environ['PATH']}",
        "ENGINE": service.engine,
        "LIMITED": f"--ulimit=nofile={limit}:{limit}",
        "WHEELS": service.index_url,
    }


@pytest.mark.parametrize("way", WAYS)
def test_page_is_the_one_that_the_readme_shows(walkthrough: Walkthrough, way: str) -> None:
    page = wait_for(f"the application from {way}", lambda: walkthrough.page(way), seconds=START_SECONDS)

    assert page == walkthrough.shown("Run them")


@pytest.mark.parametrize("way", WAYS)
def test_user_of_the_image_can_neither_write_below_opt_nor_compile_nor_install(
    walkthrough: Walkthrough, way: str
) -> None:
    assert walkthrough.run(walkthrough.image(way), _LOOK) == ["1000"]


def test_wheels_bring_the_library_that_the_other_way_installs(walkthrough: Walkthrough) -> None:
    found = {way: walkthrough.run(walkthrough.image(way), "find / -xdev -name 'libyaml*.so*' -type f") for way in WAYS}

    (grafted,), (installed,) = found["wheels"], found["source"]
    assert grafted.startswith("/opt/venv/lib/python3.13/site-packages/pyyaml.libs/")
    assert installed.startswith("/usr/lib/")


def test_application_is_little_more_than_the_runtime_image(
    walkthrough: Walkthrough, record_property: Callable[[str, object], None]
) -> None:
    runtime = walkthrough.size(f"{walkthrough.name}/runtime:3.13")
    builder = walkthrough.size(f"{walkthrough.name}/builder:3.13")

    for way in WAYS:
        size = walkthrough.size(walkthrough.image(way))
        figure = f"the application from {way}: {size / 1e6:.1f} MB, of them the runtime image {runtime / 1e6:.1f} MB"
        record_property("figure", figure)
        assert 0 < size - runtime < 5_000_000
        assert size < builder / 2


def test_changed_file_costs_the_last_layer_only(walkthrough: Walkthrough) -> None:
    before = {way: walkthrough.layers(walkthrough.image(way)) for way in WAYS}

    walkthrough.follow("Change a file")

    for way in WAYS:
        after = walkthrough.layers(walkthrough.image(way))
        assert after[:-1] == before[way][:-1]
        assert after[-1] != before[way][-1]
        assert "closed on Monday" in "\n".join(
            walkthrough.run(walkthrough.image(way), "cat /opt/noticeboard/notices.yaml")
        )
