"""Recipes that tests start from."""

from collections.abc import Mapping
from typing import Final

from packaging.version import Version
from tests.contract.samples import TARGET

from wheelyard.domain.packaging.target import Target
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.domain.recipes.merge import merge_rules
from wheelyard.domain.recipes.recipe import Naming, Recipe, judge_text
from wheelyard.errors import RecipeInvalidError

HEAD: Final = 'schema = 1\nname = "demo"\n'
FILES: Final = {
    "patches/one.patch": b"--- a/setup.py\n",
    "patches/two.patch": b"--- a/m\xfcll.c\n",
    "hooks/prepare.sh": b"echo prepare\n",
    "hooks/tidy.sh": b"echo tidy\n",
    "tests/smoke.py": b"import demo\n",
}
"""What the folder of the recipes here holds."""
EVERY_KEY: Final = """\
schema = 1
name = "demo"

[[rule]]
apt = ["libdemo-dev", "g++"]
dnf = ["demo-devel", "perl(IPC::Cmd)"]
apk = ["demo-dev"]
toolchains = ["rust>=1.85"]
env = { CFLAGS = "-O2" }
config-settings = { "setup-args" = ["-Dx=y", "-Dz=1"], "editable" = "no" }
build-requires = { add = ["cmake>=3.20"], drop = ["Ninja"] }
build-constraints = ["cython<3.1"]
patches = ["one.patch", "two.patch"]
cythonize = ["demo/*.pyx"]
hooks = { before-build = ["prepare.sh"], after-build = ["tidy.sh"] }
repair = { exclude = ["libcuda.so.*"], deny = ["libgpl*.so*"], max-grafted = 3, floor = "manylinux_2_28", \
graft = ["libexpat.so.1"], deny-licenses = ["AGPL-*"] }
limits = { memory = "4GiB", cpu = 1.5, time = "1h30min", disk = "512 MiB", log = "1.5MiB" }
expect = { extensions = ["demo._c"], absent = ["demo._win"], gil = "off" }
test.apt = ["libglib2.0-0"]
test.imports = ["demo"]
test.commands = ["python smoke.py"]
test.requires = ["pytest>=8"]
test.files = ["smoke.py"]
network = true

[[rule.sources]]
url = "https://files.example/demo-data.tar.gz"
sha256 = "%s"
to = "vendor/demo-data.tar.gz"
""" % ("0a" * 32)
OTHER_KEYS: Final = """\
schema = 1
name = "demo"
[[rule]]
expect.pure = true
[[rule]]
unsupported = "libdemo 3 is wanted, and the suite has 2"
[rule.when]
version = ">=2,<3"
python = "<3.14"
suite = ["bullseye"]
policy = ">=manylinux_2_28,<manylinux_2_36"
architecture = ["x86_64"]
"""
"""The keys that cannot stand beside the others."""


def parse_recipe(
    text: str, *, source: str, files: Mapping[str, bytes] | None = None, naming: Naming | None = None
) -> Recipe:
    """Parse a recipe; raise RecipeInvalidError with all its problems."""
    recipe, problems = judge_text(text, source=source, files=files or {}, naming=naming or Naming())
    if recipe is None:
        raise RecipeInvalidError(source=source, problems=[str(problem) for problem in problems])
    return recipe


def merged(rules: str, *, version: str = "2.0", target: Target = TARGET, suite: str = "bookworm") -> EffectiveRecipe:
    """Merge a recipe that has these rules."""
    recipe = parse_recipe(HEAD + rules, source="demo.toml", files=FILES)
    return merge_rules(recipe, version=Version(version), target=target, suite=suite)
