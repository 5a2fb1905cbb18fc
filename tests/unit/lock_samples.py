"""One lock of each kind, of the same application."""

HASH = "sha256:" + "a" * 64

UV_LOCK = """\
version = 1
requires-python = ">=3.10"

[[package]]
name = "application"
version = "1.0"
source = { virtual = "." }
dependencies = [
    { name = "requests", extra = ["socks"] },
    { name = "tomli", marker = "python_full_version < '3.11'" },
    { name = "tool" },
]

[package.optional-dependencies]
db = [
    { name = "psycopg2" },
]

[package.dev-dependencies]
dev = [
    { name = "six" },
]

[[package]]
name = "psycopg2"
version = "2.9.13"
source = { registry = "simple" }

[[package]]
name = "pysocks"
version = "1.7.1"
source = { registry = "simple" }
wheels = [{ url = "u", hash = "%(hash)s" }]

[[package]]
name = "requests"
version = "2.34.2"
source = { registry = "simple" }
dependencies = [{ name = "requests" }]

[package.optional-dependencies]
socks = [
    { name = "pysocks" },
]

[[package]]
name = "six"
version = "1.17.0"
source = { registry = "simple" }

[[package]]
name = "tomli"
version = "2.3.0"
source = { registry = "simple" }

[[package]]
name = "tool"
version = "0.1"
source = { git = "somewhere" }
""" % {"hash": HASH}  # noqa: UP031 - braces are TOML's

POETRY_LOCK = """\
[[package]]
name = "Six"
version = "1.17.0"
optional = false
python-versions = "*"
groups = ["main", "dev"]
markers = {main = "python_version < '3.11'", dev = "python_version >= '3.11'"}
files = [{file = "six.whl", hash = "%(hash)s"}]

[[package]]
name = "idna"
version = "3.20"
optional = false
groups = ["main"]

[[package]]
name = "psycopg2"
version = "2.9.13"
optional = true
groups = ["main"]

[[package]]
name = "ruff"
version = "0.17"
optional = false
groups = ["dev"]

[[package]]
name = "tool"
version = "0.1"
optional = false
groups = ["main"]
[package.source]
type = "git"

[extras]
db = ["psycopg2 (>=2)"]

[metadata]
lock-version = "2.1"
""" % {"hash": HASH}  # noqa: UP031 - braces are TOML's

PYLOCK = """\
lock-version = "1.0"
created-by = "test"
extras = ["db"]
default-groups = ["default"]

[[packages]]
name = "idna"
version = "3.20"
sdist = { name = "idna-3.20.tar.gz", url = "u", hashes = { sha256 = "aa" } }

[[packages]]
name = "psycopg2"
version = "2.9.13"
marker = "'db' in extras"
sdist = { name = "psycopg2-2.9.13.tar.gz", url = "u", hashes = { sha256 = "bb" } }

[[packages]]
name = "tomli"
version = "2.3.0"
marker = "python_version < '3.11'"
sdist = { name = "tomli-2.3.0.tar.gz", url = "u", hashes = { sha256 = "cc" } }

[[packages]]
name = "here"
directory = { path = "." }
"""
