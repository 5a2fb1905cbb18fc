"""Data files are found in a checkout and in an installed wheel, which goes first."""

from pathlib import Path

import pytest

from wheelyard import resources
from wheelyard.resources import data_path


@pytest.mark.parametrize(
    "name", ["builders", "recipes", "devpi.lock", "builders/Dockerfile", "builders/agent/wheelyard_agent/__main__.py"]
)
def test_what_the_program_needs_is_there(name: str) -> None:
    assert data_path(name).exists()


def test_installed_file_goes_before_a_checkouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed, checkout = tmp_path / "_data", tmp_path / "checkout"
    for folder in (installed, checkout):
        (folder / "recipes").mkdir(parents=True)
    (checkout / "devpi.lock").touch()
    monkeypatch.setattr(resources, "_INSTALLED", installed)
    monkeypatch.setattr(resources, "_CHECKOUT", checkout)
    assert data_path("recipes") == installed / "recipes"
    assert data_path("devpi.lock") == checkout / "devpi.lock"
