"""What a run ends with in every lane: the figures that its tests took down. Must not judge any."""

import pytest

FIGURE = "figure"
"""Name of the property of a test (``record_property``) that is shown at the end, passed or not."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures; what a test prints itself is seen of failed tests only."""
    reports = (one for outcome in ("passed", "failed") for one in terminalreporter.getreports(outcome))
    figures = [value for report in reports for name, value in report.user_properties if name == FIGURE]
    if figures:
        terminalreporter.section("figures")
        for figure in figures:
            terminalreporter.line(str(figure))
