"""The error of every bounded reader."""


class RefusedTextError(ValueError):
    """An untrusted text is refused: it is malformed, or larger, deeper or more costly than any honest text.

    The message has the limit that was reached. The calling code knows who can act, and raises an error of the caller or
    of the project.
    """
