"""What adopting the recipe of a healed build means: the text that follows, and what the build has used."""

import tomllib

import pytest
from tests.contract.samples import sample_healing
from tests.unit.recipe_texts import parse_recipe

from wheelyard.domain.healing.healing import Healing, HealRound, Inference, InferenceSource
from wheelyard.domain.recipes.adoption import add_inferences, add_rules, rules_of, used_recipe
from wheelyard.domain.recipes.effective import EffectiveRecipe

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


def test_what_was_inferred_is_merged_as_a_further_rule_would_be() -> None:
    recipe = EffectiveRecipe(toolchains=("rust>=1.85",), build_constraints=("cython<3",))
    added = (
        *inferred("toolchains", "rust", "fortran"),
        *inferred("build-constraints", "setuptools<60", "cython<3"),
        *inferred("build-requires.add", "cffi"),
        *inferred("test.requires", "psycopg"),
    )
    assert add_inferences(recipe, added) == EffectiveRecipe(
        toolchains=("fortran", "rust>=1.85"),
        build_constraints=("cython<3", "setuptools<60"),
        build_requires=("cffi",),
        test_requires=("psycopg",),
    )


def test_key_that_no_rule_has_is_an_error() -> None:
    with pytest.raises(LookupError):
        add_inferences(EffectiveRecipe(), inferred("no.such.key", "x"))
