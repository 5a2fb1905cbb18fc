"""Models of what failed stages say."""

from wheelyard.api.schemas.base import View
from wheelyard.domain.healing.findings import FindingKind


class FindingView(View):
    """One thing that a failed stage says is missing or wrong; names and lines are text of the project."""

    kind: FindingKind
    name: str
    """What is missing, as the log names it, such as ``fftw3.h``; may be empty."""
    bound: str
    """The version that is wanted, such as ``>=9.4``; empty if none is named."""
    found: str
    """The version that is there, for what is too old."""
    line: str
    """The log's line."""
    cause: str
    """What it means, as a part of a sentence."""
    remedy: str
    """What would mend it; empty if nothing is known."""
