"""Every console block of README and docs does what it says, and prints what it shows.

A page is one shell, as for its reader. All pages share a folder and the main service, README first: what it builds, the
others look at. Blocks that are not run say why, in a comment (``tests.documented``).
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.acceptance.installed import installed_program
from tests.acceptance.running_service import RunningService
from tests.documented import ROOT, Block, Command, blocks

PAGES = list(dict.fromkeys(block.page for block in blocks() if block.reason is None))
SECONDS = 300.0


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give what a reader's clone has, to be written into."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("examples", "recipes"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(installed_program().parents[1])
    (folder / "home").mkdir()
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_a_page_do_what_it_shows(page: str, clone: Path, service: RunningService) -> None:
    commands = [command for block in blocks() if block.page == page for command in _commands_of(block)]
    for command, (status, output) in zip(commands, run_all(commands, clone, service), strict=True):
        assert (status != 0) == command.fails, f"{command.text}\nended with {status}:\n{output}"
        missing = command.find_missing(output)
        assert missing is None, f"{command.text}\ndid not print {missing!r}, but:\n{output}"


def _commands_of(block: Block) -> list[Command]:
    return [] if block.reason is not None else list(block.commands())


def run_all(commands: Sequence[Command], clone: Path, service: RunningService) -> list[tuple[int, str]]:
    """Run commands in one shell; return how each ended and what it said."""
    steps = [
        f"{{ {_for_here(command.text, service)}\n}} >'{clone}/out.{n}' 2>&1 </dev/null\necho $? >'{clone}/status.{n}'"
        for n, command in enumerate(commands)
    ]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WHEELYARD_", "PIP_", "GITHUB_"))}
    environment = kept | {
        "PATH": f"{installed_program().parent}:{os.environ['PATH']}",
        "HOME": str(clone / "home"),
        "COLUMNS": "200",
        "WHEELYARD_STATE_DIR": str(service.state_dir),
        "TOKEN_FILE": str(service.state_dir / "token"),
    }
    subprocess.run(["bash", "-c", "\n".join(steps)], cwd=clone, env=environment, check=False, timeout=SECONDS)
    return [(int((clone / f"status.{n}").read_text()), (clone / f"out.{n}").read_text()) for n in range(len(commands))]


def _for_here(text: str, service: RunningService) -> str:
    """Put this service's address and folder in the place of those that the pages name."""
    return text.replace("http://127.0.0.1:8123", service.url).replace("/var/lib/wheelyard", str(service.state_dir))
