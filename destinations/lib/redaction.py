"""Taking secrets out of texts that are kept or shown: one function for logs, errors, hooks and pages. Plain Python.

Strangers choose much of what is redacted (a path, a Host header), so that everything here is linear in the length: each
pattern begins with words of bounded length, and no part of the text is read on from two of them.
"""

import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from urllib.parse import quote

from destinations.lib import secret_names

HIDDEN = "[hidden]"
CUT = "[cut]"
# A shorter one stands in half the words of a log.
SHORTEST_SECRET = 4
# what is looked at beyond a cut: a secret that the cut goes through is found by what stands on the other side
MARGIN = 16_384
_WHOLE = (
    re.compile(r"AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]++", re.IGNORECASE),
    re.compile(
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL
    ),
    re.compile(r"(?<=://)[^/\s:@]*+:[^/\s@]++(?=@)"),
)
# a name and the sign behind it; a text inside JSON has a backslash before each quotation mark
_NAME = re.compile(secret_names.IN_TEXT, re.IGNORECASE)
# of a header it is what stands behind the scheme that is secret
_SIGN = re.compile(r"\\*+[\"']?\s*+[=:]\s*+(?:(?:bearer|basic)\s++)?+", re.IGNORECASE)
# an option of a program and what follows it, in a line of a shell or as Python writes a list
_OPTION = re.compile(secret_names.OPTION, re.IGNORECASE)
_OPTION_SIGN = re.compile(r"\\*+[\"']?,?[ \t]++")
_OPENING = re.compile(r"\\*+([\"'])")
_CLOSING = {mark: re.compile(rf"(?<!\\){mark}") for mark in ("'", '"')}
_RUN = re.compile(r"\S++")
_HIDDEN_ALREADY = re.compile(r"\[hidden\](?![^\s,;)\]}\"'])")
_END_OF_KEY = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----")
_SPACE = re.compile(r"\s")

Span = tuple[int, int]
Match = Callable[[str, int], "re.Match[str] | None"]

_lock = Lock()
_known: dict[str, None] = {}
_sources: list[Callable[[], Iterable[str]]] = []


def add_source(source: Callable[[], Iterable[str]]) -> None:
    """Ask `source` for secrets at each redaction: for those that may change while the program runs."""
    _sources.append(source)


def remember(*secrets: str) -> None:
    """Hide these texts from now on, wherever they turn up: called by whoever takes a secret out of its safe."""
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
    found = [*_places_of_known(text)]
    found += _assigned(text, _NAME.finditer(text), _SIGN.match)
    found += _assigned(text, _OPTION.finditer(text), _OPTION_SIGN.match)
    for pattern in _WHOLE:
        found += (match.span() for match in pattern.finditer(text))
    merged: list[Span] = []
    for begin, end in sorted(found):
        if merged and begin < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _places_of_known(text: str) -> Iterator[Span]:
    for secret in _secrets():
        begin = text.find(secret)
        while begin >= 0:
            yield begin, begin + len(secret)
            begin = text.find(secret, begin + len(secret))


def _assigned(text: str, names: Iterable["re.Match[str]"], sign: Match) -> Iterator[Span]:
    """Yield the values behind `names`, those inside of others too: the mark that ends one may be part of another."""
    ends = dict.fromkeys((*_CLOSING, ""), 0)
    for name in names:
        found = sign(text, name.end())
        if found is None or found.end() == len(text) or _HIDDEN_ALREADY.match(text, found.end()):
            continue
        begin = found.end()
        opening = _OPENING.match(text, begin)
        mark, inner = (opening[1], opening.end()) if opening else ("", begin)
        # where the last search ended this one ends too: no part of the text is searched twice
        if ends[mark] <= inner:
            match = (_CLOSING[mark] if mark else _RUN).search(text, inner)
            ends[mark] = match.end() if match else len(text)
        yield begin, ends[mark]


def _secrets() -> list[str]:
    """Return the known secrets as they may be spelt."""
    with _lock:
        secrets = list(_known)
    for source in _sources:
        secrets += source()
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
