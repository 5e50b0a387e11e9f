"""How a site may be called; in a file of its own so that the command lines need not import torch for it."""

from __future__ import annotations

import re

SITE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
