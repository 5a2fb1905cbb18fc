"""The end of a run in every lane: the measurements that its tests have recorded."""

import os

import pytest

os.environ.setdefault("WHEELYARD_OPTIMISED_PYTHON", "off")  # no service of a test compiles beside the others

FIGURE = "figure"
"""The property of a test (``record_property``) that is shown at the end, whether it passed or not."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the measurements; pytest shows a test's own output only if it failed."""
    reports = (one for outcome in ("passed", "failed") for one in terminalreporter.getreports(outcome))
    figures = [value for report in reports for name, value in report.user_properties if name == FIGURE]
    if figures:
        terminalreporter.section("figures")
        for figure in figures:
            terminalreporter.line(str(figure))
