"""Paths of files on the hosts, taken out of what a channel sends to the outside."""

import re

HIDDEN_PATH = "[path]"
# A path from the root, of a home (`~/a`), of Windows (`C:\a`) or of a share of it (`\\host\a`): in quotes, which may
# hold spaces, behind a colon, as in `denied:/srv/a`, or with more slashes, as in `sqlite:////srv/a`. What stands behind
# a letter or after `://` is a part of a URL.
_BEGIN = r"(?:/+[^/{0}\n]|~[\w.-]*/|[A-Za-z]:[\\/](?!/)|\\\\[^\\{0}\n])"
_REST = r"""[^\s'"<>|;,)\]]+"""
_PATH = re.compile(
    rf"""(?<='){_BEGIN.format("'")}[^'\n]*(?=')|(?<="){_BEGIN.format('"')}[^"\n]*(?=")"""
    rf"""|(?:(?<![\w/.~<\]-])/|(?<![\w:/.~<\]-])/{{2,}}|(?<=:)/{{3,}})(?=[^\s/'"<>|;,)\]]){_REST}"""
    rf"""|(?<![\w/.~-])~[\w.-]*/{_REST}|(?<![\w/])[A-Za-z]:[\\/](?!/){_REST}|(?<![\w\\])\\\\[\w.-]+\\{_REST}"""
)


def without_paths(text: str) -> str:
    """Return `text` with each absolute path replaced; the full stop of a sentence stays."""
    return _PATH.sub(_replaced, text)


def _replaced(found: re.Match[str]) -> str:
    end = "." if found[0].endswith(".") else ""
    return HIDDEN_PATH + end
