"""Imported for its effect, where a server of processes is told by name what to have in memory: timm is there."""

from fedgraft.common.kinds.lean_timm import import_timm

import_timm()
