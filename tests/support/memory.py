"""Files of tests in memory: the project syncs each file that it writes, and a disk takes most of the time of a test."""

import os
import shutil
from pathlib import Path


def folder_in_memory(room: int) -> Path | None:
    """Return the folder whose files are in memory, or None where this host has none with so many bytes of room."""
    folder = Path("/dev/shm")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if not os.access(folder, os.W_OK) or shutil.disk_usage(folder).free < room or memory < 2 * room:
        return None
    return folder
