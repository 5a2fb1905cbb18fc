"""The command line: a client of the REST API, and the operator's commands."""

import os
import sys

# If click is installed, httpx imports its own command line with rich and pygments, which takes most of its import time.
# https://github.com/encode/httpx/pull/3547
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
# pydantic searches every installed distribution for plugins before it creates its first model.
# https://github.com/pydantic/pydantic/issues/7709
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
