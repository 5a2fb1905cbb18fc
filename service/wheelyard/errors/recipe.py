"""Errors that the author of a recipe or of the catalogue can fix."""

from collections.abc import Sequence

from wheelyard.errors.base import RecipeError


class RecipeInvalidError(RecipeError):
    """A recipe is not valid."""

    code = "recipe-invalid"

    def __init__(self, *, source: str, problems: Sequence[str]) -> None:
        self.source, self.problems = source, tuple(problems)
        super().__init__(
            f"The recipe {source} cannot be used: " + "; ".join(self.problems) + ".",
            "Other projects are not affected. recipes/README.md lists every key.",
        )


class PatchFailedError(RecipeError):
    """A patch of the recipe does not apply to the sdist."""

    code = "patch-failed"

    def __init__(self, *, release: str, patch: str, reason: str, hunk: str = "") -> None:
        self.release, self.patch, self.reason, self.hunk = release, patch, reason, hunk
        super().__init__(
            f"The recipe's patch {patch} does not apply to {release}: {reason}." + (f"\n{hunk}\n" if hunk else ""),
            "Regenerate it for this release, or restrict its rule to the releases that it applies to (when.version).",
        )


class HookFailedError(RecipeError):
    """A script of the recipe ended with an error."""

    code = "hook-failed"

    def __init__(self, *, release: str, hook: str, exit_reason: str) -> None:
        self.release, self.hook, self.exit_reason = release, hook, exit_reason
        super().__init__(
            f"The recipe's hook {hook} failed on {release}: {exit_reason}.",
            "The end of the log shows its output. It runs in the unpacked sdist, with the build's variables.",
        )


class SourceUnusableError(RecipeError):
    """A prefetched source cannot be placed where the recipe wants it."""

    code = "source-unusable"

    def __init__(self, *, release: str, to: str, reason: str) -> None:
        self.release, self.to, self.reason = release, to, reason
        super().__init__(
            f"The recipe's source for {to} cannot be placed in {release}: {reason}.",
            "If the path ends with '/', the source is an archive to unpack there. Any other path is the file's own.",
        )


class SourceMismatchError(RecipeError):
    """A source does not have the hash that the recipe gives."""

    code = "source-mismatch"

    def __init__(self, *, release: str, url: str, expected: str, found: str) -> None:
        self.release, self.url, self.expected, self.found = release, url, expected, found
        super().__init__(
            f"The recipe of {release} expects sha256 {expected} of {url}, but the file there has {found}.",
            "Check the file, then correct sources.sha256 or sources.url. The downloaded bytes were discarded.",
        )


class PackagesMissingError(RecipeError):
    """The recipe names system packages, but none for the builder's package manager."""

    code = "packages-missing"

    def __init__(self, *, suite: str, manager: str, others: Sequence[str]) -> None:
        self.suite, self.manager, self.others = suite, manager, tuple(others)
        super().__init__(
            f"The recipe names system packages for {' and '.join(self.others)}, but none for {manager}, the package "
            f"manager of {suite}.",
            f"Add them to the recipe's {manager} list. If {suite} needs none, restrict the rule that names the others "
            "to their suites (when.suite).",
        )


class PackageUnknownError(RecipeError):
    """The recipe names system packages that the builder's suite does not have."""

    code = "package-unknown"

    def __init__(self, *, suite: str, packages: Sequence[str], manager: str) -> None:
        self.suite, self.packages, self.manager = suite, tuple(packages), manager
        super().__init__(
            f"{suite} has no package {' and no package '.join(self.packages)}, but the recipe's {manager} list has it.",
            f"Look up its name in {suite}. If only other suites have it, restrict the rule that names it to them "
            "(when.suite), or give the reason in a rule for this suite (unsupported).",
        )


class CatalogueInvalidError(RecipeError):
    """The catalogue of builders is not valid."""

    code = "catalogue-invalid"

    def __init__(self, *, problems: Sequence[str], source: str = "") -> None:
        self.problems, self.source = tuple(problems), source
        which = f" {source}" if source else ""
        super().__init__(
            f"The catalogue of builders{which} cannot be used: " + "; ".join(self.problems) + ".",
            "builders/README.md lists every key. WHEELYARD_CATALOGUE names an operator's own file.",
        )


class SuiteUnsupportedError(RecipeError):
    """The catalogue names an external image without a runtime image that could verify its wheels."""

    code = "suite-unsupported"

    def __init__(self, *, suite: str, image: str, package_manager: str) -> None:
        self.suite, self.image, self.package_manager = suite, image, package_manager
        super().__init__(
            f"The suite {suite!r} is the external image {image} ({package_manager}), and nothing verifies its wheels.",
            "Name a suite in its key 'runtime', or request the platform of another suite ('wheelyard builders list').",
        )
