"""What adopting the recipe of a healed build means: the text that follows, and what the build has used."""

import tomllib
from dataclasses import replace

import pytest
from packaging.version import Version
from tests.contract.samples import TARGET, sample_healing
from tests.unit.recipe_texts import HEAD, parse_recipe

from wheelyard.domain.healing.healing import Healing, HealRound, Inference, InferenceSource
from wheelyard.domain.healing.inferred_recipe import InferredFor, write_recipe
from wheelyard.domain.recipes.adoption import add_rules, rules_of, used_recipe
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.domain.recipes.merge import merge_rules

PROPOSED = """#:schema recipe.schema.json
schema = 1
name = "demo"

# fftw3.h is in libfftw3-dev
# (line 12 of the log)
[[rule]]
when.suite = ["bookworm"]
apt = ["libfftw3-dev"]

[[rule]]  # for the tests
test.apt = ["libglib2.0-0"]
"""
RULES = PROPOSED.partition('"demo"\n\n')[2]


def inferred(key: str, *values: str) -> tuple[Inference, ...]:
    return tuple(Inference(key=key, value=one, source=InferenceSource.LEARNT, reason="") for one in values)


@pytest.mark.parametrize(
    "present",
    [
        'schema = 1\nname = "demo"\n',
        'schema = 1\nname = "demo"',
        '# ours\nschema = 1\nname = "demo"  # it\n\n[[rule]]\n# why\napt = ["liba"]\n[rule.env]\nX = "[[rule]]"\n\n\n',
        'schema = 1\r\nname = "demo"\r\n[[rule]]\r\napt = [\r\n  "liba", # one\r\n]\r\n',
    ],
)
def test_proposed_rules_follow_the_own_ones_and_every_comment_stays(present: str) -> None:
    text = add_rules(present, PROPOSED)
    assert text.startswith(present.rstrip())
    assert text.endswith(RULES)
    rules = parse_recipe(text, source="demo").rules
    own, proposed = (parse_recipe(one, source="demo").rules for one in (present, PROPOSED))
    assert rules == (*own, *proposed)


def test_recipe_without_rules_adds_nothing() -> None:
    assert rules_of('schema = 1\nname = "demo"\n') == ""
    assert add_rules(PROPOSED, 'schema = 1\nname = "demo"\n') == PROPOSED


def test_first_rule_is_found_whatever_texts_and_comments_say() -> None:
    text = 'schema = 1\nname = "demo"\n# [[rule]]\n\n[[rule]]\nunsupported = """\n[[rule]]\n"""\n'
    assert rules_of(text) == '[[rule]]\nunsupported = """\n[[rule]]\n"""\n'
    assert tomllib.loads(rules_of(text)) == {"rule": [{"unsupported": "[[rule]]\n"}]}


def test_build_has_used_its_recipe_with_what_it_added_and_needed() -> None:
    order = EffectiveRecipe(apt=("patchelf",), env=(("X", "1"),))
    assert used_recipe(order, sample_healing()) == EffectiveRecipe(apt=("patchelf", "libyaml-dev"), env=(("X", "1"),))


def test_unused_value_is_known_by_its_key_and_value() -> None:
    (added,), (unused,) = inferred("apt", "zlib1g-dev"), inferred("apt", "zlib1g-dev")
    other = inferred("test.apt", "zlib1g-dev")
    healing = Healing(rounds=(HealRound(stage="", findings=(), added=(added, *other)),), unused=(unused,))
    assert used_recipe(EffectiveRecipe(), healing) == EffectiveRecipe(test_apt=("zlib1g-dev",))


@pytest.mark.parametrize(
    "own", ["", "[[rule]]\nenv.X = '1'\napt = ['patchelf']\n[[rule]]\ntoolchains = ['rust>=1.80']\n"]
)
def test_recipe_that_a_build_comes_with_says_just_what_it_has_used(own: str) -> None:
    added = (
        *inferred("apt", "libpq-dev", "patchelf"),
        *inferred("toolchains", "rust>=1.70", "fortran"),
        *inferred("build-requires.add", "cffi"),
        *inferred("build-constraints", "setuptools<60"),
        *inferred("repair.graft", "libexpat.so.1"),
        *inferred("test.apt", "libglib2.0-0"),
    )
    (unused,) = inferred("apt", "zlib1g-dev")
    healing = Healing(
        rounds=(HealRound(stage="build", findings=(), added=(unused, *added)),),
        unused=(unused,),
        recipe=write_recipe(InferredFor(project="demo", version="2.0", suite="bookworm"), added),
    )
    present = parse_recipe(HEAD + own, source="demo")
    adopted = parse_recipe(add_rules(present.text, healing.recipe), source="demo")
    ordered, followed = (
        merge_rules(one, version=Version("2.0"), target=TARGET, suite="bookworm") for one in (present, adopted)
    )
    assert used_recipe(ordered, healing).digest == followed.digest
    assert used_recipe(ordered, replace(healing, unused=())).digest != followed.digest


def test_key_that_is_never_inferred_is_an_error() -> None:
    healing = Healing(rounds=(HealRound(stage="", findings=(), added=inferred("env", "x")),))
    with pytest.raises(LookupError):
        used_recipe(EffectiveRecipe(), healing)
