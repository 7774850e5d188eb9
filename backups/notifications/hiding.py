"""Paths of files on the hosts, taken out of what a channel sends to the outside."""

import re

HIDDEN_PATH = "[path]"
# an absolute path of at least two names: in quotes, which may hold spaces, behind a colon, as in `denied:/srv/a`, or
# with more slashes, as in `sqlite:////srv/a`; what stands behind a letter or after `://` is a part of a URL
_PATH = re.compile(
    r"""(?<=')/+[^/'\n]+/[^'\n]*(?=')|(?<=")/+[^/"\n]+/[^"\n]*(?=")"""
    r"""|(?:(?<![\w/.~-])/|(?<![\w:/.~-])/{2,}|(?<=:)/{3,})(?=[^\s/'"]+/)[^\s'"<>|;,)\]]+"""
)


def without_paths(text: str) -> str:
    """Return `text` with each absolute path replaced; the full stop of a sentence stays."""
    return _PATH.sub(_replaced, text)


def _replaced(found: re.Match[str]) -> str:
    end = "." if found[0].endswith(".") else ""
    return HIDDEN_PATH + end
