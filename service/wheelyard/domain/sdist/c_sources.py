"""Find the headers that sources in C, C++ and Cython include, and under which conditions."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from wheelyard.domain.sdist.contents import file_of, suffix_of
from wheelyard.domain.sdist.truth import Branches, Truth, evaluate

_MOST_TEXT: Final = 6 << 20
"""How many characters of sources are read together."""
_MOST_INCLUDES: Final = 2000
"""How many includes of one file are read."""
# Every alternative ends at its line's end at the latest, and none has two repetitions that match the same text.
_ASIDE: Final = re.compile(r"""//[^\n]*|/\*|"(?:[^"\\\n]|\\.)*+"?|'(?:[^'\\\n]|\\.){1,8}'""")
_DIRECTIVE: Final = re.compile(
    r"^[ \t]*+#[ \t]*+(include(?:_next)?|import|if|ifdef|ifndef|elif|elifdef|elifndef|else|endif|define)\b([^\n]*)",
    re.MULTILINE,
)
_INCLUDED: Final = re.compile(r"""[ \t]*+(?:<([^<>"\n]{1,100})>|"([^<>"\n]{1,100})")""")
_EXTERN: Final = re.compile(
    r"""^[ \t]*+cdef[ \t]++extern[ \t]++from[ \t]++(?:"([^"\n]{1,100})"|'([^'\n]{1,100})'|(\*))|"""
    r"""^[ \t]*+include[ \t]++["']([^"'\n]{1,100})["']|"""
    r"""^[ \t]*+(?:from[ \t]++([\w.]++)[ \t]++cimport\b|cimport[ \t]++([\w.]++))""",
    re.MULTILINE,
)
_PATH: Final = re.compile(r"[\w.+/-]{1,100}", re.ASCII)
_CYTHON: Final = frozenset({".pyx", ".pxd", ".pxi"})
_CXX: Final = frozenset({".cc", ".cpp", ".cxx", ".c++", ".hpp", ".hh", ".hxx"})
_WORD: Final = re.compile(r"defined\s*+\(\s*+\w++\s*+\)|defined\s++\w++|&&|\|\||[!()]|[^\s!()&|]++|[&|!]")
_PRESENT: Final = re.compile(
    r"_?_?linux_?_?|__gnu_linux__|_?_?unix_?_?|__GNUC__|__GLIBC__|__ELF__|_POSIX_VERSION|_POSIX_C_SOURCE|_GNU_SOURCE"
)
_ABSENT: Final = re.compile(
    r"_*WIN(32|64|NT|DOWS)_*|_*WINDOWS_*|_?WIN(32|64)|_MSC_VER|__MINGW(32|64)__|__CYGWIN__|__BORLANDC__|_*APPLE(_CC)?_*|__MACH__|"
    r"(__)?(Free|Net|Open|Dragonfly|DragonFly)BSD(__)?|__bsdi__|__DragonFly__|(__)?sun(__)?|__SVR4|(__)?hpux(__)?|_AIX\d*|"
    r"__OS2__|__EMSCRIPTEN__|__ANDROID__|ANDROID|__HAIKU__|__BEOS__|__QNX(NTO)?__|__VMS|VMS|__sgi|__osf__|__wasm\w*|"
    r"MS_WIN(32|64|DOWS)|MACOSX?|OSX|TARGET_OS_\w+|_?XBOX\w*|__NVCC__|__CUDACC__|__CUDA_ARCH__|__HIPCC__|"
    r"PYPY_VERSION|__CYGWIN32__|__MWERKS__|__SYMBIAN32__|__MSDOS__|MSDOS|__DJGPP__|_WIN32_WCE|UNDER_CE|AMIGA|__amigaos__|"
    r"SWIG|__DOXYGEN__|DOXYGEN\w*|__ICC|__INTEL_COMPILER|__SUNPRO_CC?|__IBMC(PP)?__|__xlC__"
)
_GENERATED: Final = re.compile(
    r"(?:.*/)?(?:(?:\w*_)?config(?:ure)?\w*|\w*version\w*|\w+_export|\w*buildinfo\w*|\w+_autogen|y\.tab|\w+_api)\.h(?:pp)?|"
    r".*\.(?:pb|grpc\.pb|tab|moc|gen|inc|def)(?:\.h)?|(?:.*/)?ui_\w+\.h|.*(?:^|[_./-])gen(?:erated)?(?:$|[_./-]).*",
    re.IGNORECASE,
)
_CLIMBS: Final = re.compile(r"(?:\.\.?/)+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Include:
    """A header that a source includes."""

    name: str
    is_quoted: bool
    """True for ``"name"``, False for ``<name>``; Cython has one form only, which counts as the second one."""
    line: int
    is_certain: bool
    """False if a condition decides whether it is included."""
    is_module: bool = False
    """True if it names a ``.pxd`` or ``.pxi`` of Cython."""


def find_includes(name: str, text: str) -> tuple[Include, ...]:
    """Return what a source includes on Linux; ``name`` tells its language."""
    found = _cython_includes(text) if suffix_of(name) in _CYTHON else _c_includes(name, text)
    return tuple(one for one, _ in zip(found, range(_MOST_INCLUDES), strict=False))


def may_be_generated(name: str) -> bool:
    """Return whether a header has such a name as builds give to those that they write themselves."""
    return _GENERATED.fullmatch(name) is not None


def _c_includes(name: str, text: str) -> Iterator[Include]:
    text = _without_comments(text)
    is_cxx = suffix_of(name) in _CXX
    branches = Branches()
    line, place = 1, 0
    directives = _DIRECTIVE.finditer(text)
    guard = ""
    for match in directives:
        word, rest = match[1], match[2]
        line += text.count("\n", place, match.start())
        place = match.start()
        if guard and word == "define" and rest.split()[:1] == [guard]:
            # An include guard: the first time its branch is always taken.
            branches.leave()
            branches.enter(True)
        guard = ""
        if word == "ifndef":
            guard = rest.strip()
        if word in {"include", "include_next", "import"}:
            yield from _included(rest, line, branches.state)
        else:
            _follow(branches, word, rest, is_cxx=is_cxx)


def _included(rest: str, line: int, state: Truth) -> Iterator[Include]:
    match = _INCLUDED.match(rest)
    header = (match[1] or match[2]).strip() if match else ""
    if state is not False and match and _PATH.fullmatch(header):
        yield Include(name=header, is_quoted=match[2] is not None, line=line, is_certain=state is True)


def _follow(branches: Branches, word: str, rest: str, *, is_cxx: bool) -> None:
    if word == "endif":
        branches.leave()
    elif word == "else":
        branches.change(True)
    elif word != "define":
        name = rest.split()[:1]
        if word.endswith("ndef"):
            words = ["!", f"defined {name[0]}"] if name else []
        elif word.endswith("def"):
            words = [f"defined {name[0]}"] if name else []
        else:
            words = _WORD.findall(rest[:2000])
        truth = evaluate(words, lambda part: _value(part, is_cxx=is_cxx), no="!", both_="&&", either_="||")
        if word.startswith("el"):
            branches.change(truth)
        else:
            branches.enter(truth)


def _value(words: list[str], *, is_cxx: bool) -> Truth:
    if len(words) != 1:
        # A comparison such as ``_MSC_VER >= 1900``.
        return False if words and _ABSENT.fullmatch(words[0]) and "<" not in "".join(words[1:2]) else None
    word = words[0]
    if word.isdecimal():
        return int(word[:9]) != 0
    name = word.removeprefix("defined").strip("() \t")
    if name == "__cplusplus":
        return is_cxx
    if _ABSENT.fullmatch(name):
        return False
    return True if _PRESENT.fullmatch(name) else None


def _without_comments(text: str) -> str:
    """Return a text with the same lines, without its comments."""
    parts = list[str]()
    place, search = 0, 0
    while (match := _ASIDE.search(text, search)) is not None:
        search = match.end()
        if match[0].startswith("//"):
            parts.append(text[place : match.start()])
            place = search
        elif match[0] == "/*":
            parts.append(text[place : match.start()])
            end = text.find("*/", search)
            if end < 0:
                return "".join(parts)
            parts.append(" " + "\n" * text.count("\n", search, end))
            place = search = end + 2
    return "".join([*parts, text[place:]])


def _cython_includes(text: str) -> Iterator[Include]:
    line, place = 1, 0
    for match in _EXTERN.finditer(text):
        line += text.count("\n", place, match.start())
        place = match.start()
        # What is indented depends on an ``IF`` of the compile time.
        is_certain = not match[0][:1].isspace()
        header = match[1] or match[2]
        included, module = match[4], match[5] or match[6]
        if header:
            yield from _included(header if header.startswith("<") else f"<{header}>", line, is_certain or None)
        elif included and _PATH.fullmatch(included):
            yield Include(name=included, is_quoted=True, line=line, is_certain=is_certain, is_module=True)
        elif module:
            path = module.strip(".").replace(".", "/")
            yield Include(name=f"{path}.pxd", is_quoted=True, line=line, is_certain=is_certain, is_module=True)


class Headers:
    """The headers of an sdist, found by any end of their paths."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_file: dict[str, list[str]] = {}
        for name in names:
            self._by_file.setdefault(file_of(name), []).append(name)

    def find(self, name: str) -> str | None:
        """Return the path of a header, the shortest one of several; None if the sdist has none."""
        name = _CLIMBS.sub("", name)
        paths = self._by_file.get(file_of(name), ())
        found = [path for path in paths if path == name or path.endswith(f"/{name}")]
        return min(found, key=len) if found else None

    def has_template(self, name: str) -> bool:
        """Return whether the sdist has what a header is made from, such as ``name.in`` or a Cython module."""
        file = file_of(_CLIMBS.sub("", name))
        stem = file.partition(".")[0].removesuffix("_api")
        ends = (".in", ".cmake", ".cmakein", ".jinja", ".tmpl", ".template", ".src", ".py", ".h.in", ".erb", ".tpl")
        made = [
            *(f"{file}{end}" for end in ends),
            *(f"{stem}{end}" for end in (".pyx", ".proto", ".y", ".l", ".ll", ".yy")),
        ]
        return any(one in self._by_file for one in made)


def includes_of(
    sources: Iterable[str], texts: Mapping[str, str], headers: Headers, *, most: int
) -> Iterator[tuple[str, Include]]:
    """Yield what sources include that the sdist does not have, and the file that includes it.

    Headers of the sdist are followed. At most ``most`` files are read.
    """
    waiting = dict.fromkeys(sources, True)
    seen = dict[str, bool]()
    left = _MOST_TEXT
    while waiting and len(seen) < most and left > 0:
        path = next(iter(waiting))
        is_certain = waiting.pop(path)
        seen[path] = is_certain
        left -= len(texts.get(path, ""))
        for one in find_includes(path, texts.get(path, "")):
            certain = one.is_certain and is_certain
            own = headers.find(one.name) or (headers.find(file_of(one.name)) if one.is_module else None)
            if own is None:
                if not one.is_module:
                    yield (
                        path,
                        (
                            one
                            if certain
                            else Include(name=one.name, is_quoted=one.is_quoted, line=one.line, is_certain=False)
                        ),
                    )
            elif own not in texts:
                continue
            elif own not in seen:
                waiting[own] = waiting.get(own, False) or certain
