"""Where every lane's processes lock the images that they make: lanes run side by side on one engine.

Two of them that make one image at a time would take its name from each other, and the first one's image, which then has
no name, goes with the first image made from it that is removed.
"""

import os
import tempfile
from pathlib import Path
from typing import Final

from wheelyard.adapters.host.state_dir import StateDir

ENGINE_DIR: Final = Path(tempfile.gettempdir()) / f"wheelyard-test-engine-{os.getuid()}"
IMAGE_LOCKS: Final = StateDir(ENGINE_DIR).image_locks
