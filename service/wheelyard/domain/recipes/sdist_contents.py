"""What an sdist holds, as data: the names of its files and the texts that tell how it is built. Must not read any."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

_TELLING: Final = re.compile(
    r"pyproject\.toml|setup\w*\.py|setup\.cfg|.*/?Cargo\.toml|(.*/)?meson\.build|(.*/)?CMakeLists\.txt|(.*/)?[^/]+\.cmake|"
    # A backend or a setup script that lies in the sdist; with at most two folders, so that no package's modules count.
    r"([^/]+/){0,2}[^/]*(build|backend|setup)[^/]*\.py|[^/]*(build|backend)[^/]*/[^/]+\.py"
)
# Where sources lie that are not part of what is built.
_KINDS_ASIDE: Final = ("test", "doc", "demo", "example", "benchmark")
_ASIDE: Final = frozenset({"testing", *_KINDS_ASIDE, *(f"{kind}s" for kind in _KINDS_ASIDE)})


@dataclass(frozen=True, kw_only=True, slots=True)
class SdistContents:
    """An sdist without its top folder."""

    names: tuple[str, ...]
    texts: Mapping[str, str]
    """The texts that ``is_telling`` names, by path."""

    def text(self, name: str) -> str:
        """Give a text; empty if there is none."""
        return self.texts.get(name, "")

    def built_names(self) -> tuple[str, ...]:
        """List the files that can be part of what is built: not those of tests, docs and examples."""
        return tuple(name for name in self.names if is_built(name))


def is_telling(name: str) -> bool:
    """Tell whether a file says how the project is built."""
    return _TELLING.fullmatch(name) is not None and is_built(name)


def is_built(name: str) -> bool:
    """Tell whether a file can be part of what is built."""
    return _ASIDE.isdisjoint(PurePosixPath(name).parts[:-1])
