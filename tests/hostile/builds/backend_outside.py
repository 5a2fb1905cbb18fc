"""Name a folder outside of the project as the place of its backend."""

STAGE = "build"
REFUSED = "invalid-sdist"
SAID = "its pyproject.toml cannot be used"
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["../../../etc"]
"""
