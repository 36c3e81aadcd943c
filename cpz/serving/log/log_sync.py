"""When the decision log is brought from the system's memory to the disk."""

from typing import Literal

#: Every second, before the answers that the lines are about, or when a file is full and at the end.
LogSync = Literal["interval", "always", "off"]

SYNC_EVERY_S = 1.0
