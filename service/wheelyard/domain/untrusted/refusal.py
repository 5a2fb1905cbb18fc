"""The error of every bounded reader."""


class RefusedTextError(ValueError):
    """A stranger's text that is not read: it is malformed, or larger, deeper or more costly than any that is honest.

    Its text says which limit was reached. Whoever asked for the reading knows whose fault that is, and raises an error
    of the caller's or the project's kind.
    """
