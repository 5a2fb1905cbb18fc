"""The command line: a client of the REST API, and the operator's commands. Must not decide what use cases decide."""

import os
import sys

# With click on the machine, httpx imports a command line of its own at once, with rich and pygments: most of its time.
# https://github.com/encode/httpx/blob/master/httpx/__init__.py
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
# pydantic looks for plugins in every distribution that is installed, before it makes its first model.
# https://docs.pydantic.dev/latest/concepts/plugins/
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
