"""Make one system call fail for the calling thread, as a file system without that feature would: by seccomp."""

import ctypes
import platform
import struct

from tests.support.programs import missing

_LINKAT = {"x86_64": 265, "aarch64": 37}
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_RET_ERRNO, _RET_ALLOW = 0x00050000, 0x7FFF0000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def refuse_hard_links(error: int) -> None:
    """From now on linkat() fails with `error` in this thread, for good: call it in a thread that ends."""
    number = _LINKAT.get(platform.machine())
    if number is None:
        missing(f"no system call number of linkat is known for {platform.machine()}")
    rules = b"".join(
        struct.pack("HBBI", *rule)
        for rule in (
            (0x20, 0, 0, 0),  # load the system call number
            (0x15, 0, 1, number),  # linkat?
            (0x06, 0, 0, _RET_ERRNO | error),
            (0x06, 0, 0, _RET_ALLOW),
        )
    )
    buffer = ctypes.create_string_buffer(rules, len(rules))
    program = _Program(4, ctypes.addressof(buffer))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0
    ):
        missing("this kernel or container allows no seccomp filter")
