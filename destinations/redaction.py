"""Taking secrets out of texts that are kept or shown: one function for logs, errors, hooks and pages. Plain Python."""

import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from urllib.parse import quote

HIDDEN = "[hidden]"
# A shorter one stands in half the words of a log.
SHORTEST_SECRET = 4
_WORDS = r"(?:password|passwd|passphrase|secret|token|private[_-]key|api[_-]?key|credential|access[_-]key)"
_NAMES = rf"[\w.-]*{_WORDS}[\w.-]*"
_VALUE = r"(?P<value>\"[^\"]*\"|'[^']*'|\S+)"
_PATTERNS = (
    re.compile(r"AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]+", re.IGNORECASE),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"),
)
_ASSIGNMENTS = (
    re.compile(rf"(?i)(?P<name>\b{_NAMES})(?P<sign>[\"']?\s*[=:]\s*){_VALUE}"),
    # an option of a program and what follows it, in a line of a shell or as Python writes a list
    re.compile(rf"(?i)(?P<name>--?(?:\w+-)*{_WORDS})(?P<sign>[\"']?,?[ \t]+){_VALUE}"),
)

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
    for secret in _secrets():
        text = text.replace(secret, HIDDEN)
    for pattern in _PATTERNS:
        text = pattern.sub(HIDDEN, text)
    for assignment in _ASSIGNMENTS:
        text = assignment.sub(lambda found: f"{found['name']}{found['sign']}{HIDDEN}", text)
    return text


def _secrets() -> list[str]:
    """Return the known secrets as they may be spelt, longest first: one may be part of another."""
    with _lock:
        secrets = list(_known)
    for source in _sources:
        secrets += source()
    spelt = {text for secret in secrets for text in _spellings(secret) if len(text) >= SHORTEST_SECRET}
    return sorted(spelt, key=len, reverse=True)


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
