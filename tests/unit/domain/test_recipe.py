"""Recipes as they are written: read strictly, with every problem told at once, by file, line and key."""

import tomllib
from pathlib import Path

import jsonschema
import pytest
from tests.unit.recipe_texts import EVERY_KEY, FILES, HEAD, OTHER_KEYS, parse_recipe

from wheelyard.adapters.recipes.folders import list_recipe_files, read_recipe
from wheelyard.domain.recipes.model import KEY_PATHS, recipe_schema
from wheelyard.domain.recipes.recipe import Naming, Recipe, lint_recipe
from wheelyard.domain.recipes.source import project_of
from wheelyard.domain.recipes.types import BOOK_SUITES
from wheelyard.errors import RecipeInvalidError
from wheelyard.resources import data_path

RECIPES = data_path("recipes")


def parse(text: str) -> Recipe:
    return parse_recipe(text, source="demo.toml", files=FILES)


def problems_of(text: str) -> tuple[str, ...]:
    with pytest.raises(RecipeInvalidError) as caught:
        parse(text)
    assert caught.value.source == "demo.toml"
    return caught.value.problems


def problem_of(rule: str) -> str:
    (problem,) = problems_of(f"{HEAD}[[rule]]\n{rule}")
    return problem


def test_samples_of_the_tests_have_every_key() -> None:
    lines = {tuple(part for part in path if isinstance(part, str)) for path in parse(EVERY_KEY).lines}
    lines |= {tuple(part for part in path if isinstance(part, str)) for path in parse(OTHER_KEYS).lines}
    assert [path for path in KEY_PATHS if path not in lines] == []


@pytest.mark.parametrize("path", KEY_PATHS, ids=".".join)
def test_reference_has_a_row_for_every_key(path: tuple[str, ...]) -> None:
    text = (RECIPES / "README.md").read_text(encoding="utf-8")
    is_table = any(other[:-1] == path for other in KEY_PATHS)
    assert is_table or f"| `{'.'.join(path[1:] or path)}` |" in text


def test_all_problems_are_told_at_once_with_their_lines() -> None:
    text = """\
schema = 2
name = "De_mo"
[[rule]]
apt = [
  "libdemo-dev",
  "lib demo",
]
when = { version = "2.x" }
expect.extensions = ["demo-c"]
[[rule]]
env = { "A-B" = "x" }
apt = "libdemo-dev"
patches = ["not-there.patch"]
[[rule.sources]]
url = "https://files.example/a"
to = "../a"
"""
    problems = problems_of(text)
    starts = [
        "line 1: schema: ",
        "line 2: name: 'De_mo' is not normalised, write 'de-mo'",
        "line 6: rule 1, apt 2: 'lib demo' is not a Debian package name",
        "line 8: rule 1, when.version: '2.x' is not a version specifier",
        "line 9: rule 1, expect.extensions 1: ",
        "line 11: rule 2, env.A-B: 'A-B' is not an environment variable name",
        "line 12: rule 2, apt: ",
        "line 13: rule 2, patches 1: there is no file patches/not-there.patch",
        "line 14: rule 2, sources 1, sha256: Field required",
        "line 16: rule 2, sources 1, to: '../a' is not a path inside the folder",
    ]
    assert len(problems) == len(starts)
    assert [start for start, problem in zip(starts, problems, strict=True) if not problem.startswith(start)] == []
    assert not any("Value error" in problem for problem in problems)


@pytest.mark.parametrize(
    ("key", "place", "nearest"),
    [
        ("nme = 1\n[[rule]]", "line 3: nme", "'name'"),
        ("[[rule]]\nbuild-constraint = []", "line 4: rule 1, build-constraint", "'build-constraints'"),
        ("[[rule]]\nbuild_constraints = []", "line 4: rule 1, build_constraints", "'build-constraints'"),
        ("[[rule]]\nwhen.versions = '1'", "line 4: rule 1, when.versions", "'version'"),
        ("[[rule]]\n[rule.expect]\n\nextension = []", "line 6: rule 1, expect.extension", "'extensions'"),
        ("[[rule]]\ntest.import = []", "line 4: rule 1, test.import", "'imports'"),
        ("[[rule]]\n[[rule]]\nhooks.beforebuild = []", "line 5: rule 2, hooks.beforebuild", "'before-build'"),
        ("[[rule]]\nextensions = []", "line 4: rule 1, extensions", "'expect.extensions'"),
        ("[[rule]]\nmax-graft = 1", "line 4: rule 1, max-graft", "'repair.max-grafted'"),
        (
            "[[rule]]\nsources = [{ url = 'http://a', sha = '', to = 'a' }]",
            "line 4: rule 1, sources 1, sha",
            "'sha256'",
        ),
    ],
)
def test_unknown_key_is_refused_with_the_nearest_known_one(key: str, place: str, nearest: str) -> None:
    assert f"{place}: unknown key, did you mean {nearest}?" in problems_of(HEAD + key)


def test_unknown_key_that_is_like_no_other_is_refused_without_a_guess() -> None:
    assert problems_of(HEAD + "zzzzzz = 1") == ("line 3: zzzzzz: unknown key",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("schema = \n", "line 1: it is not TOML: Invalid value (column 10)"),
        ("schema = 1\nschema = 2\n", "line 2: it is not TOML: Cannot overwrite a value (column 11)"),
        ("schema = 1\n\nname = [\n  'demo',\n\n", "line 4: it is not TOML: Invalid value"),
        ("schema", "line 1: it is not TOML: Expected '=' after a key in a key/value pair"),
    ],
)
def test_text_that_is_not_toml_is_refused_with_its_line(text: str, problem: str) -> None:
    assert problems_of(text) == (problem,)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("when.version = '>=2,<1'", "no version is in '>=2,<1', so the rule would never apply"),
        ("when.version = '==1.*,!=1.*'", "no version is in '==1.*,!=1.*'"),
        ("when.python = '>=3.14,<3.13'", "no Python is in '>=3.14,<3.13'"),
        ("when.python = '==3.13.1'", "no Python is in '==3.13.1'"),
        ("when.policy = '>=manylinux_2_36,<manylinux_2_28'", "no policy is in"),
        ("when.policy = '>=manylinux_2_28,<musllinux_1_2'", "no policy is in"),
    ],
)
def test_condition_that_contradicts_itself_is_refused(rule: str, said: str) -> None:
    assert said in problem_of(rule)


@pytest.mark.parametrize(
    ("suite", "said"),
    [
        ("bookwrom", "there is no suite 'bookwrom', did you mean 'bookworm'?"),
        ("noble", "there is no suite 'noble': there are bookworm, rocky9"),
    ],
)
def test_suite_that_there_is_not_is_refused_with_the_nearest_known_one(suite: str, said: str) -> None:
    naming = Naming(suites=("rocky9", "bookworm"))
    for known in ("bookworm", "rocky9"):
        assert parse_recipe(f"{HEAD}[[rule]]\nwhen.suite = ['{known}']", source="demo.toml", naming=naming).rules
    text = f"{HEAD}[[rule]]\nwhen.suite = ['bookworm', '{suite}']"
    with pytest.raises(RecipeInvalidError) as caught:
        parse_recipe(text, source="demo.toml", naming=naming)
    assert caught.value.problems == (f"line 4: rule 1, when.suite 2: {said}",)


@pytest.mark.parametrize("name", ["PyYAML", "py_yaml", "zope.interface"])
def test_name_that_is_not_normalised_is_refused_with_the_right_one(name: str) -> None:
    (problem,) = problems_of(f'schema = 1\nname = "{name}"\n')
    assert f"'{name}' is not normalised, write" in problem


@pytest.mark.parametrize("package", ["--allow-downgrades", "libdemo-dev=1.0", "Lib", "a;b", "../x.deb", "", "lib demo"])
def test_package_name_that_no_package_has_is_refused(package: str) -> None:
    assert f"'{package}' is not a Debian package name" in problem_of(f"apt = ['{package}']")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("dnf = ['-y']", "'-y' is not an RPM package name"),
        ("apk = ['Lib']", "'Lib' is not an Alpine package name"),
        ("toolchains = ['rsut']", "unknown toolchain 'rsut', did you mean 'rust'?"),
        ("config-settings = { a = 1 }", "a setting is a text or a list of texts"),
        ("config-settings = { a = ['x', 1] }", "a setting is a text or a list of texts"),
        ("build-constraints = ['cython<<3']", "'cython<<3' is not a requirement (PEP 508)"),
        ("build-constraints = ['cython[x]<3']", "names extras, which a constraint cannot"),
        ("build-constraints = ['a @ https://files.example/a.whl']", "names an address"),
        ("build-requires.add = ['a @ file:///etc/passwd']", "names an address"),
        ("build-requires.drop = ['cmake>=3']", "'cmake>=3' is not a project name"),
        ("sources = [{ url = 'file:///a', sha256 = '%s', to = 'a' }]" % ("a" * 64), "not an http or https address"),
        ("sources = [{ url = 'http://a', sha256 = 'A', to = 'a' }]", "not a sha256 in lower-case hexadecimal"),
        ("sources = [{ url = 'http://a', sha256 = '%s', to = '/a' }]" % ("a" * 64), "not a path inside the folder"),
        ("patches = ['../a.patch']", "'../a.patch' is not a file name"),
        ("hooks.before-build = ['other.sh']", "there is no file hooks/other.sh beside the recipe.toml"),
        ("repair.exclude = ['lib a.so']", "is not a soname"),
        (
            "repair = { graft = ['libexpat.so.1'], exclude = ['libexpat*'] }",
            "graft and exclude both name libexpat.so.1",
        ),
        ("repair = { graft = ['libz*.so*'], deny = ['libz.so.1'] }", "graft and deny both name libz*.so*"),
        ("repair.graft = ['libglib-2.0.so.0']", "must stay the host's"),
        ("repair.graft = ['*']", "must stay the host's"),
        ("repair.max-grafted = -1", "greater than or equal to 0"),
        ("repair.max-grafted = true", "valid integer"),
        ("repair.floor = 'manylinux2014'", "manylinux_2_36"),
        ("limits.memory = 4096", "4096 is not a size, such as '4GiB'"),
        ("limits.memory = '4GB'", "'4GB' is not a size"),
        ("limits.disk = '0GiB'", "'0GiB' is not a size"),
        ("limits.time = '2'", "'2' is not a time, such as '2h'"),
        ("limits.time = '0s'", "'0s' is not a time"),
        ("limits.time = ''", "'' is not a time"),
        ("limits.cpu = 0", "greater than 0"),
        ("expect = { pure = true, extensions = ['a'] }", "pure = true means no extensions"),
        ("expect = { absent = ['a'], extensions = ['b', 'a'] }", "extensions and absent both name a"),
        ("expect.pure = 'yes'", "valid boolean"),
        ("test.commands = ['']", "at least 1 character"),
        ("network = 1", "valid boolean"),
        ("unsupported = ''", "at least 1 character"),
        ("when.policy = '>=manylinux2014'", "is not a range of policies"),
        ("when.architecture = ['amd64']", "'amd64' is not an architecture"),
        ('env = { A = "a\\u0000b" }', "it has a NUL character"),
    ],
)
def test_value_of_another_form_is_refused_by_name(rule: str, said: str) -> None:
    assert said in problem_of(rule)


def test_file_is_named_after_its_project() -> None:
    with pytest.raises(RecipeInvalidError, match="line 2: name: 'demo' is not what the file is named after: 'other'"):
        parse_recipe(HEAD, source="other.toml", naming=Naming(project="other"))


def test_schema_takes_what_the_model_takes_and_refuses_unknown_keys() -> None:
    schema = recipe_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for text in (EVERY_KEY, OTHER_KEYS, *(file.read_text(encoding="utf-8") for file in RECIPES.rglob("*.toml"))):
        validator.validate(tomllib.loads(text))
    broken = ["apt = ['lib demo']", "network = 'yes'", "limits.memory = '4GB'", "atp = []", "limits.time = 'h'"]
    for rule in broken:
        assert not validator.is_valid(tomllib.loads(f"{HEAD}[[rule]]\n{rule}")), rule


def test_schema_says_what_each_key_is_for() -> None:
    models = [model for model in recipe_schema()["$defs"].values() if "properties" in model]
    unsaid = [name for model in models for name, one in model["properties"].items() if "description" not in one]
    assert unsaid == []


@pytest.mark.parametrize("file", list_recipe_files(RECIPES), ids=project_of)
def test_recipe_of_ours_has_rules_no_findings_and_its_schema_in_the_first_line(file: Path) -> None:
    recipe = read_recipe(file, suites=BOOK_SUITES)
    assert recipe.rules
    assert list(lint_recipe(recipe)) == []
    schema = recipe.text.splitlines()[0].removeprefix("#:schema ")
    assert (file.parent / schema).resolve() == (RECIPES / "recipe.schema.json").resolve()
