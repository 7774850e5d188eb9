"""Taking secrets out of texts that are kept or shown: one function for logs, errors, hooks and pages. Plain Python.

Attackers control much of what is redacted (a path, a Host header), so all of this is linear in the length.
"""

import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from threading import Lock
from urllib.parse import quote

from destinations.lib.secret_spans import Span, merged, secret_spans

HIDDEN = "[hidden]"
CUT = "[cut]"
# a shorter one would hide parts of ordinary words
SHORTEST_SECRET = 4
# characters scanned beyond a cut: a secret that the cut goes through is recognised by what is on the other side
MARGIN = 16_384
_END_OF_KEY = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_SPACE = re.compile(r"\s")

_lock = Lock()
_known: dict[str, None] = {}
_sources: list[Callable[[], Iterable[str]]] = []


def add_source(source: Callable[[], Iterable[str]]) -> None:
    """Call `source` at each redaction, for secrets that may change while the program runs."""
    _sources.append(source)


def remember(*secrets: str) -> None:
    """Hide these texts from now on: for a caller that has decrypted a secret."""
    with _lock:
        _known.update(dict.fromkeys(secrets))


def redact(text: str) -> str:
    """Return `text` with every known secret, private keys, passwords in URLs and values of secret names hidden."""
    return _hidden(text, _spans(text), 0, len(text))


def redact_cut(text: str, *, first: int = 0, last: int = 0) -> str:
    """Return the `first` and the `last` characters of `text`, redacted; all of it where it is no longer than both.

    It is cut before it is redacted, and no secret shows because the cut took what marks it: what is known of both sides
    of the cut decides, and a word without an end goes as a whole.
    """
    if len(text) <= first + last:
        return redact(text)
    parts = [_beginning(text, first) if first else "", _end(text, last) if last else ""]
    return f" {CUT} ".join(parts) if first and last else f"{parts[0]} {CUT}" if first else parts[1]


def _beginning(text: str, length: int) -> str:
    window = text[: length + MARGIN]
    until = length
    if not _SPACE.search(window, length - 1) and len(window) < len(text):
        until = max((found.end() for found in _SPACE.finditer(window, 0, length)), default=0)
    return _hidden(window, _spans(window), 0, until)


def _end(text: str, length: int) -> str:
    window = text[-(length + MARGIN) :]
    since = len(window) - length
    if not _SPACE.search(window, 0, since + 1) and len(window) < len(text):
        space = _SPACE.search(window, since)
        since = space.end() if space else len(window)
    spans = _spans(window)
    end = _END_OF_KEY.search(window)
    if end and not any(begin <= end.start() < until for begin, until in spans):
        # of a key that began before the window
        spans.append((0, end.end()))
    return _hidden(window, spans, since, len(window))


def _hidden(text: str, spans: Iterable[Span], since: int, until: int) -> str:
    """Return `text` between the two positions with `spans` hidden, also the part of one that reaches in."""
    parts = []
    for begin, end in sorted(spans):
        if end <= since or begin >= until:
            continue
        if begin >= since:
            parts += [text[since:begin], HIDDEN]
        elif not parts:
            parts.append(HIDDEN)
        since = end
    return "".join([*parts, text[since:until]])


def _spans(text: str) -> list[Span]:
    """Return where secrets stand; those that overlap count as one."""
    return merged([*_known_secrets(text), *secret_spans(text)])


def _known_secrets(text: str) -> Iterator[Span]:
    for secret in _secrets():
        begin = text.find(secret)
        while begin >= 0:
            yield begin, begin + len(secret)
            begin = text.find(secret, begin + len(secret))


def _secrets() -> list[str]:
    """Return the known secrets as they may be spelt."""
    with _lock:
        secrets = list(_known)
    for source in _sources:
        secrets += source()
    return _spelt(tuple(secrets))


# they seldom change, and each line of the log asks for them
@lru_cache(maxsize=1)
def _spelt(secrets: tuple[str, ...]) -> list[str]:
    spelt = {text for secret in secrets for text in _spellings(secret) if len(text) >= SHORTEST_SECRET}
    return sorted(spelt)


def _spellings(secret: str) -> Iterator[str]:
    """A secret of several lines is hidden line by line: an error may quote any of them."""
    for part in {secret, *secret.splitlines()}:
        yield part
        yield quote(part, safe="", errors="surrogateescape")
        yield json.dumps(part)[1:-1]
        yield json.dumps(part, ensure_ascii=False)[1:-1]
        yield repr(part)[1:-1]
        yield html.escape(part)
        yield html.escape(repr(part)[1:-1])
