"""The program: ``wheelyard`` and ``python -m wheelyard``."""

import sys

from wheelyard.cli.app import run


def main() -> None:
    """Run the command line and end with its exit code."""
    sys.exit(run())


if __name__ == "__main__":
    main()
