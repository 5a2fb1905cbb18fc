"""A pure module that a recipe's patch changes."""

from pathlib import Path

ANSWER = 41
FACTS = Path(__file__).with_name("facts.json").read_text(encoding="utf-8")
