"""The corpus itself: every attack says what it tries and how it ends, and one that does not is told at once."""

import ast
from pathlib import Path

import pytest
from tests.hostile.corpus import BUILDS, FRAMES, HERE, SDISTS, WHEELS, CorpusError, find_attacks

SOUND = '"""Try it."""\n\nREFUSED = "a-code"\nSAID = "words"\n\n\ndef make():\n    raise AssertionError\n'


@pytest.mark.parametrize(
    ("left_out", "lack"),
    [
        ('"""Try it."""', "no docstring, which says what it tries"),
        ('REFUSED = "a-code"', "not one of REFUSED, the code of its failure, and HARMLESS, what becomes of it"),
        ('SAID = "words"', "no SAID"),
        ("make", "no function make"),
    ],
)
def test_attack_that_lacks_something_is_named(tmp_path: Path, left_out: str, lack: str) -> None:
    (tmp_path / "sound.py").write_text(SOUND)
    (tmp_path / "other.py").write_text(SOUND.replace(left_out, "other"))
    with pytest.raises(CorpusError) as caught:
        find_attacks(tmp_path, acts=("make",))
    assert str(caught.value) == f"{tmp_path / 'other.py'} has {lack}"


def test_attack_that_is_refused_and_harmless_is_named(tmp_path: Path) -> None:
    (tmp_path / "both.py").write_text(SOUND.replace("SAID", 'HARMLESS = "nothing"\nSAID'))
    with pytest.raises(CorpusError, match=r"both\.py has not one of REFUSED"):
        find_attacks(tmp_path)


def test_constant_that_only_one_kind_has_is_missed_where_it_is_due(tmp_path: Path) -> None:
    (tmp_path / "sound.py").write_text(SOUND)
    with pytest.raises(CorpusError, match=r"sound\.py has no STAGE"):
        find_attacks(tmp_path, facts=("STAGE",))


def test_folder_without_attacks_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="has no attacks"):
        find_attacks(tmp_path)


def test_looking_for_attacks_runs_none(tmp_path: Path) -> None:
    (tmp_path / "runs.py").write_text(f"{SOUND}\nraise AssertionError\n")
    assert list(find_attacks(tmp_path)) == ["runs"]


def test_corpus_is_as_large_as_the_documents_say() -> None:
    assert len(SDISTS) + len(WHEELS) > 90
    assert min(len(FRAMES), len(BUILDS)) >= 15


@pytest.mark.parametrize("path", sorted((HERE / "probes").glob("*.py")), ids=lambda path: path.stem)
def test_probe_says_what_it_tries(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))
