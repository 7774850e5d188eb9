"""The names a destination may hold, the same for every type so that archives can move between them.

A path is relative with `/` between segments of letters, digits, `_` and `-`; dots only in the last one, the filename.
"""

import re

from destinations.exceptions import DestinationConfigError

PART_SUFFIX = ".part"
MAX_DEPTH = 8
MAX_SEGMENT = 64
MAX_FILENAME = 128

_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
# no two dots in a row and none at an end: ".." and hidden files are no names of archives
_FILENAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def is_segment(name: str) -> bool:
    return len(name) <= MAX_SEGMENT and _SEGMENT.fullmatch(name) is not None


def is_filename(name: str) -> bool:
    """Whether `name` may be the final name of a file; `.part` names are reserved for uploads under way."""
    return len(name) <= MAX_FILENAME and _FILENAME.fullmatch(name) is not None and not name.endswith(PART_SUFFIX)


def is_path(path: str) -> bool:
    """Whether a file may have this path: for listings, where an error for each foreign file would take long."""
    *folders, filename = path.split("/")
    return len(folders) < MAX_DEPTH and all(map(is_segment, folders)) and is_filename(filename)


def validate_path(path: str) -> str:
    """Return `path` unchanged, or raise `DestinationConfigError` when it breaks the rules of this module."""
    if is_path(path):
        return path
    raise DestinationConfigError(
        f"The path {path!r} is not allowed in a destination.",
        f"Use at most {MAX_DEPTH} segments of letters, digits, '_' and '-' (up to {MAX_SEGMENT} characters), and a "
        f"filename of up to {MAX_FILENAME} that may hold single dots and does not end in {PART_SUFFIX}.",
    )


def validate_prefix(prefix: str) -> str:
    """Return `prefix`, the path of a folder or "" for the whole destination, or raise `DestinationConfigError`."""
    if not prefix or (len(prefix.split("/")) < MAX_DEPTH and all(map(is_segment, prefix.split("/")))):
        return prefix
    raise DestinationConfigError(
        f"The folder {prefix!r} is not allowed in a destination.",
        "A prefix is a folder such as 'instance/kind', without a slash at its start or end.",
    )


def part_name(filename: str, token: str) -> str:
    """Return the name of the partial upload of `filename` by the backup `token`."""
    if not is_segment(token):
        raise DestinationConfigError(
            f"The upload token {token!r} is not allowed.", "Use the id of the backup: letters, digits, '_' and '-'."
        )
    return f"{filename}.{token}{PART_SUFFIX}"


def part_token(filename: str) -> str | None:
    """Return the token in a name made by `part_name`, or None for any other name."""
    stem, dot, token = filename.removesuffix(PART_SUFFIX).rpartition(".")
    if filename.endswith(PART_SUFFIX) and dot and is_filename(stem) and is_segment(token):
        return token
    return None
