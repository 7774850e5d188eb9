"""The memory that the C library keeps for this process."""

import ctypes

LIBC = ctypes.CDLL(None)


def release_free_memory() -> None:
    """Give what the heap has free back to the system, holes between objects included; glibc does that at its end alone.

    Source: malloc_trim(3). Does nothing with another C library.
    """
    if hasattr(LIBC, "malloc_trim"):
        LIBC.malloc_trim(0)
