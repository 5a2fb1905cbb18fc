"""The sentence that says why a wheel has its policy."""

from dataclasses import replace

import pytest

from wheelyard.domain.packaging.policy_reason import PURE, PolicyNeed, PolicyReason

EXT = "yaml/_yaml.abi3.so"
NEED = PolicyNeed(file=EXT, grafted=None, library="libc.so.6", version="GLIBC_2.14", symbols=("memcpy",), chain=(EXT,))
GRAFTED = PolicyNeed(
    file="lxml.libs/libxslt-1a2b3c4d.so.1",
    grafted="libxslt.so.1",
    library="libc.so.6",
    version="GLIBC_2.34",
    symbols=("a", "b", "c", "d", "e"),
    chain=("lxml/etree.so", "libexslt.so.0", "libxslt.so.1"),
)
LIBRARY = PolicyNeed(file=EXT, grafted=None, library="libmvec.so.1", version=None, symbols=(), chain=(EXT,))


def sentence(*needs: PolicyNeed, lower: str | None = "manylinux_2_5_x86_64", more: int = 0) -> str:
    return PolicyReason(policy="manylinux_2_17_x86_64", needs=needs, more_needs=more, lower=lower).sentence


SYMBOLS = "a@GLIBC_2.34, b@GLIBC_2.34, c@GLIBC_2.34 and 2 more"
OLDER = "compiled against a glibc older than"
LOWER = "it would be manylinux_2_5_x86_64."


@pytest.mark.parametrize(
    ("said", "reason", "remedy"),
    [
        (sentence(NEED), f"{EXT} needs memcpy@GLIBC_2.14 of libc.so.6", f"with it {OLDER} 2.14 {LOWER}"),
        (
            sentence(GRAFTED),
            f"the grafted libxslt.so.1 (asked for by lxml/etree.so -> libexslt.so.0) needs {SYMBOLS} of libc.so.6",
            f"with a libxslt.so.1 {OLDER} 2.34 {LOWER}",
        ),
        (sentence(LIBRARY), f"{EXT} needs libmvec.so.1", f"without that {LOWER}"),
        (
            sentence(NEED, GRAFTED),
            f"{EXT} needs memcpy@GLIBC_2.14 of libc.so.6 (and 1 more such need)",
            f"with these 2 files {OLDER} 2.14 {LOWER}",
        ),
    ],
)
def test_sentence_names_file_symbol_chain_and_remedy(said: str, reason: str, remedy: str) -> None:
    assert said == f"manylinux_2_17_x86_64 because {reason}; {remedy}"


def test_most_portable_policy_is_said_to_be_so() -> None:
    assert sentence() == "manylinux_2_17_x86_64 because nothing in it needs more, and no policy is more portable."


def test_remedy_is_not_promised_where_none_is_known() -> None:
    assert "no more portable policy is known" in sentence(NEED, lower=None)


def test_needs_that_were_not_listed_are_counted() -> None:
    assert "(and 5 more such needs); with those files" in sentence(NEED, more=5)


def test_version_of_another_library_is_no_glibc() -> None:
    cxx = replace(NEED, library="libstdc++.so.6", version="GLIBCXX_3.4.30")
    assert sentence(cxx).endswith("libstdc++.so.6; without that it would be manylinux_2_5_x86_64.")


def test_symbol_without_a_name_is_told_by_its_version() -> None:
    assert "needs GLIBC_2.14 of libc.so.6" in sentence(replace(NEED, symbols=()))


def test_symbols_that_are_not_listed_are_counted_too() -> None:
    many = replace(NEED, symbols=tuple(map(str, range(10))), more_symbols=15)
    assert "needs 0@GLIBC_2.14, 1@GLIBC_2.14, 2@GLIBC_2.14 and 22 more of libc.so.6" in sentence(many)


def test_pure_wheel_has_a_reason_too() -> None:
    assert PURE.sentence == (
        "any because no file in it is native, so it runs on every platform, and nothing could lower that."
    )
