"""Errors that the author of a recipe or of the catalogue can fix."""

from collections.abc import Sequence

from wheelyard.errors.base import RecipeError


class RecipeInvalidError(RecipeError):
    """A recipe does not have the documented form."""

    code = "recipe-invalid"

    def __init__(self, *, source: str, problems: Sequence[str]) -> None:
        self.source, self.problems = source, tuple(problems)
        super().__init__(
            f"The recipe {source} cannot be used: " + "; ".join(self.problems) + ".",
            "Only this project is out of order. recipes/README.md lists every key.",
        )


class PatchFailedError(RecipeError):
    """A patch of the recipe does not apply to the sdist."""

    code = "patch-failed"

    def __init__(self, *, release: str, patch: str, reason: str, hunk: str = "") -> None:
        self.release, self.patch, self.reason, self.hunk = release, patch, reason, hunk
        super().__init__(
            f"The recipe's patch {patch} does not apply to {release}: {reason}." + (f"\n{hunk}\n" if hunk else ""),
            "Make it anew for this release, or restrict its rule to the releases that it fits (when.version).",
        )


class HookFailedError(RecipeError):
    """A script of the recipe ended with an error."""

    code = "hook-failed"

    def __init__(self, *, release: str, hook: str, exit_reason: str) -> None:
        self.release, self.hook, self.exit_reason = release, hook, exit_reason
        super().__init__(
            f"The recipe's hook {hook} failed on {release}: {exit_reason}.",
            "The log's last lines show what it said. It runs in the unpacked sdist, with the build's variables.",
        )


class SourceUnusableError(RecipeError):
    """A prefetched source of the recipe cannot be put where the recipe wants it."""

    code = "source-unusable"

    def __init__(self, *, release: str, to: str, reason: str) -> None:
        self.release, self.to, self.reason = release, to, reason
        super().__init__(
            f"The recipe's source for {to} cannot be placed in {release}: {reason}.",
            "A path with '/' at its end is a folder that an archive is unpacked into; any other is the file's own.",
        )


class SourceMismatchError(RecipeError):
    """A file that the recipe has fetched is not the one that its hash promises."""

    code = "source-mismatch"

    def __init__(self, *, release: str, url: str, expected: str, found: str) -> None:
        self.release, self.url, self.expected, self.found = release, url, expected, found
        super().__init__(
            f"The recipe of {release} has {url} in its sources with sha256 {expected}, and what is there has {found}.",
            "Look at the file, then correct sources.sha256 or sources.url. The bytes were thrown away.",
        )


class PackagesMissingError(RecipeError):
    """The recipe names system packages, and none for the package manager of the builder."""

    code = "packages-missing"

    def __init__(self, *, suite: str, manager: str, others: Sequence[str]) -> None:
        self.suite, self.manager, self.others = suite, manager, tuple(others)
        super().__init__(
            f"The recipe names system packages for {' and '.join(self.others)}, and none for {manager}, which the "
            f"builder of {suite} has.",
            f"Name them in the recipe's {manager} list too. If none are needed there, restrict the rule that names the "
            "others to their suites (when.suite).",
        )


class PackageUnknownError(RecipeError):
    """The recipe names system packages that the builder's suite has not."""

    code = "package-unknown"

    def __init__(self, *, suite: str, packages: Sequence[str], manager: str) -> None:
        self.suite, self.packages, self.manager = suite, tuple(packages), manager
        super().__init__(
            f"{suite} has no package {' and none '.join(self.packages)}, which the recipe's {manager} list names.",
            f"Look up what {suite} calls it. If only other suites have it, restrict the rule that names it to them "
            "(when.suite), or say in a rule for this one why it does not work there (unsupported).",
        )


class CatalogueInvalidError(RecipeError):
    """The catalogue of builders does not have the documented form."""

    code = "catalogue-invalid"

    def __init__(self, *, problems: Sequence[str], source: str = "") -> None:
        self.problems, self.source = tuple(problems), source
        which = f" {source}" if source else ""
        super().__init__(
            f"The catalogue of builders{which} cannot be used: " + "; ".join(self.problems) + ".",
            "builders/README.md lists every key. WHEELYARD_CATALOGUE names an operator's own file.",
        )
