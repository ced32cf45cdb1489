"""pretalx's own settings, and what this conference adds to them."""

import os
from pathlib import Path

from pretalx.settings import *

INSTALLED_APPS = ["cloud", "conference", *INSTALLED_APPS]
STATIC_ROOT = Path(os.environ.get("STATIC_ROOT", STATIC_ROOT))
# The schedule editor is built into the image; nobody runs its development server.
VITE_DEV_MODE = False
