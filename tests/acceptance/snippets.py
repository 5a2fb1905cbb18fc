"""The snippets that people copy, taken from where they read them: the documentation and the GitHub action."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

_ROOT: Final = Path(__file__).parents[2]
_INPUT: Final = re.compile(r"\$\{\{ inputs\.([a-z-]+) \}\}")
_VARIABLE: Final = re.compile(r"\$\{\{ vars\.([A-Z_]+) \}\}")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of an action, as the runner runs it."""

    script: str
    environment: Mapping[str, str]


def shell_snippet() -> str:
    """Return the block of ``docs/prebuild.md`` for a plain shell."""
    (block,) = _blocks("sh")
    return block


def gitlab_script() -> str:
    """Return the script of the job for GitLab, whose lines run in one shell."""
    (job,) = (document["prebuild"] for document in map(yaml.safe_load, _blocks("yaml")) if "prebuild" in document)
    return "\n".join(job["script"])


def workflow_step() -> str:
    """Return what the GitHub workflow of the documentation runs behind the action; variables are the shell's own."""
    (workflow,) = (document for document in map(yaml.safe_load, _blocks("yaml")) if "steps" in document)
    *_, action, last = workflow["steps"]
    given = yaml.safe_load((_ROOT / ".github" / "actions" / "prebuild" / "action.yml").read_text())["inputs"]
    assert action["uses"].split("@")[0].endswith("/.github/actions/prebuild")
    assert set(action["with"]) <= set(given), "the action has these inputs"
    return _VARIABLE.sub(r"${\1}", last["run"])


def _blocks(language: str) -> list[str]:
    text = (_ROOT / "docs" / "prebuild.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def repository() -> dict[str, bytes | Path]:
    """Give what pip installs the command line from, and the action, by path in the repository."""
    folders = ("service", "builders", "recipes", ".github")
    files = [path for folder in folders for path in (_ROOT / folder).rglob("*") if path.is_file()]
    files += [_ROOT / name for name in ("pyproject.toml", "devpi.lock", "README.md", "LICENSE")]
    files.append(_ROOT / "tools" / "build_guide.py")
    return {str(path.relative_to(_ROOT)): path for path in files if path.suffix != ".pyc"}


def action_steps(given: Mapping[str, str]) -> Iterator[Step]:
    """Yield the steps of the action with inputs put in."""
    action: dict[str, Any] = yaml.safe_load((_ROOT / ".github" / "actions" / "prebuild" / "action.yml").read_text())
    inputs: dict[str, str] = {name: one.get("default", "") for name, one in action["inputs"].items()}
    inputs.update(given)
    for step in action["runs"]["steps"]:
        assert step["shell"] == "bash"
        assert not _INPUT.search(step["run"]), "what a stranger gives must not become a part of the script"
        wanted = {name: _INPUT.sub(r"\1", value) for name, value in step.get("env", {}).items()}
        environment = {name: inputs[one] for name, one in wanted.items()}
        yield Step(script=step["run"], environment=environment)
