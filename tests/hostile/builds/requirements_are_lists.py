"""Give lists where build requirements are due."""

from backend import build_wheel

STAGE = "build"
REFUSED = "build-failed"
SAID = "Backend operation failed"
PYPROJECT = """
[build-system]
requires = []
build-backend = "attack"
backend-path = ["."]
"""


def get_requires_for_build_wheel(config_settings=None):
    return [["a"], {"b": "c"}]
