"""Build the guide from docs/ into guide.zip: for a wheel or an sdist, and in a clone for an editable install.

Hatch runs it for each build (pyproject.toml), "make guide" by itself. A warning, such as a dead link, ends it.
"""

import functools
import importlib.util
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT: Final = Path(__file__).resolve().parent.parent
ARCHIVE: Final = "guide.zip"
"""The archive at the root, which ``.gitignore`` names."""
CONFIGURATION: Final = "zensical.toml"
PAGES_ELSEWHERE: Final = {
    "recipes/README.md": "recipes.md",
    "builders/README.md": "builders.md",
    "examples/README.md": "examples.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages outside of docs/, and their names in the guide."""
LINK: Final = re.compile(r"(?<!!)\[([^\[\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")
UNUSED: Final = ("404.html", "sitemap.xml", "objects.inv")
"""The service has a page of its own for missing pages. Its URL is not known when the guide is built."""


def build_guide(root: Path) -> Path:
    """Build the guide of the project in a folder, and return its path; raise CalledProcessError."""
    archive = root / ARCHIVE
    with tempfile.TemporaryDirectory(prefix="wheelyard-guide-") as folder:
        source = Path(folder)
        _gather(root, source)
        command = [sys.executable, "-m", "zensical", "build", "--strict"]
        subprocess.run(command, cwd=source, env={**os.environ, "NO_COLOR": "1"}, check=True)
        built = source / "guide"
        for name in UNUSED:
            (built / name).unlink(missing_ok=True)
        shutil.rmtree(built / "assets" / "stylesheets" / "classic", ignore_errors=True)  # the theme's other variant
        _remove_unshown(built)
        partial = root / f".{ARCHIVE}.partial"
        _pack(built, partial)
        partial.replace(archive)
    return archive


def _pack(built: Path, archive: Path) -> None:
    """Pack a folder into an archive that is the same for the same content."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for path in sorted(built.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(built).as_posix())
                target.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)


def _gather(root: Path, source: Path) -> None:
    """Copy the configuration and all pages into a folder, and adapt their links."""
    shutil.copy(root / CONFIGURATION, source)
    shutil.copytree(root / "docs", source / "docs")
    for name, to in PAGES_ELSEWHERE.items():
        shutil.copy(root / name, source / "docs" / to)
    for page in (source / "docs").rglob("*.md"):
        place = page.relative_to(source).as_posix()
        written = next((name for name, to in PAGES_ELSEWHERE.items() if place == f"docs/{to}"), place)
        page.write_text(LINK.sub(functools.partial(_relink, written, place), page.read_text()))


def _relink(written: str, place: str, link: re.Match[str]) -> str:
    """Point a link of a page to its target in the guide; a link to another place becomes plain text."""
    text, target, anchor = link.groups()
    if "://" in target or target.startswith("/"):
        return link[0]
    path = posixpath.normpath(posixpath.join(posixpath.dirname(written), target))
    path = f"docs/{PAGES_ELSEWHERE[path]}" if path in PAGES_ELSEWHERE else path
    if not path.startswith("docs/"):
        return text
    return f"[{text}]({posixpath.relpath(path, posixpath.dirname(place))}{anchor or ''})"


def _remove_unshown(guide: Path) -> None:
    """Remove pictures that only the README shows."""
    pages = "".join(page.read_text() for page in guide.rglob("*.html"))
    for picture in (guide / "images").glob("*"):
        if picture.name not in pages:
            picture.unlink()


class GuideHook(BuildHookInterface):  # type: ignore[type-arg]
    """Puts the guide into the wheel, where ``wheelyard.resources`` looks for it, and into the sdist."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the guide if its pages and its tool are here; an editable install leaves it in the clone.

        The tool is no build requirement of a wheel: a client that is installed from a clone, as in CI, needs no guide.
        Without the tool a wheel has the archive that "make guide" has left here, if there is one. An sdist has the
        archive in the place of the pages.
        """
        root = Path(self.root)
        if (root / CONFIGURATION).is_file() and importlib.util.find_spec("zensical") is not None:
            build_guide(root)
        if self.target_name == "wheel" and version != "editable" and (root / ARCHIVE).is_file():
            build_data["force_include"][str(root / ARCHIVE)] = f"wheelyard/_data/{ARCHIVE}"


if __name__ == "__main__":
    try:
        build_guide(ROOT)
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
