"""Write the reference pages that come from the code: docs/cli.md and docs/settings.md.

A test compares them with what this makes, so that they never lag behind; ``make docs`` runs it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings
from typer.main import get_command
from typer.models import Context
from wheelyard.cli.app import app
from wheelyard.cli.exit_codes import MEANINGS
from wheelyard.settings import ClientSettings, Settings

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
_MARKUP: Final = re.compile(r"\[/?bold\]")
