"""Every regular expression of the product is linear in the length of its text, and so is all that redacts and masks.

The patterns are found in the sources, so that a new one is covered. They work on long texts in a process of its own
that ends when one of them takes many times as long as the slowest linear one: quadratic cost would take far longer.
"""

import ast
import importlib
import os
import pkgutil
import re
import signal
import sys
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from functools import cache, partial
from types import ModuleType
from typing import Any

import pytest

from backups.instances import masking
from destinations.lib import formats, redaction, secret_names
from tests.support.paths import PROJECT
from tests.support.processes import prepared

PACKAGES = ("backups", "backupsite", "destinations")
# those that try a pattern at each position cost the same, and are tried as one
SCANS = ("search", "finditer", "findall", "sub", "split")
METHODS = ("match", "fullmatch", *SCANS)
# characters: where strangers' texts go through, for whole functions of many patterns, and for all other patterns
LONG, WHOLE, SHORT = 100_000, 40_000, 40_000
LONG_IN = (
    "destinations.lib.redaction", "destinations.lib.secret_names", "destinations.lib.secret_spans",
    "backups.instances.masking",
)  # fmt: skip
# of the processor, for one pattern and one text: the slowest take a tenth of it
SECONDS = 0.8
SHAPES = (
    "a", "a-", "secret-secret-", "password=", "password='\"", "\\password\\=\\\"", "token : ", "private_", "://a:b@",
    "https://a", "bearer ", "$argon2", "<pin>", ";pwd=", "&key=", "eyJaaaaaaaa.", "-eyJaaaaaaaa", "x://a:b", "aB",
    "AGE-SECRET-KEY-1", "-----BEGIN PRIVATE KEY-----", "-----END ", " ",
)  # fmt: skip
MORE_SHAPES = (
    "--token ", "api_key\t", "://", "@", "$1$", "\n", "'\"", "\\", "QUJD+/==", "0", "*/9,", "[a", ".a", "backup-",
    "-20260101-010101-", ".tar.gz", "-> a ", "ü", "no such function: ", "\0",
)  # fmt: skip
Pattern = re.Pattern[Any]


def modules() -> Iterator[ModuleType]:
    for package in PACKAGES:
        yield importlib.import_module(package)
        for found in pkgutil.walk_packages([str(PROJECT / package)], f"{package}."):
            if ".migrations" not in found.name and not found.name.endswith((".wsgi", ".asgi", ".__main__")):
                yield importlib.import_module(found.name)


def patterns_in(value: object) -> Iterator[Pattern]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        yield from (pattern for each in value.values() for pattern in patterns_in(each))
    elif isinstance(value, (tuple, list, set, frozenset)):
        yield from (pattern for each in value for pattern in patterns_in(each))


@cache
def uses() -> list[tuple[str, ast.Attribute, ast.expr | None]]:
    """Return each ``NAME.method`` of the sources with where it stands and, where it is called, its first argument."""
    found: list[tuple[str, ast.Attribute, ast.expr | None]] = []
    for package in PACKAGES:
        for path in sorted((PROJECT / package).rglob("*.py")):
            nodes = list(ast.walk(ast.parse(path.read_text())))
            first = {id(node.func): node.args[0] for node in nodes if isinstance(node, ast.Call) and node.args}
            found += [
                (f"{path.name}:{node.lineno}", node, first.get(id(node)))
                for node in nodes
                if isinstance(node, ast.Attribute) and node.attr in METHODS
            ]
    return found


def kind_of(method: str) -> str:
    return "scan" if method in SCANS else method


def inline() -> Iterator[tuple[str, Pattern, set[str]]]:
    """Yield the patterns that are written where they are used."""
    for where, used, text in uses():
        if isinstance(used.value, ast.Name) and used.value.id == "re" and text is not None:
            assert isinstance(text, ast.Constant), f"{where}: make a constant of what is put together"
            yield where, re.compile(text.value), {kind_of(used.attr)}


def patterns() -> Iterator[tuple[str, Pattern, set[str]]]:
    """Yield each pattern with where it stands and how it is used, by ``NAME.method`` in the sources."""
    used: dict[str, set[str]] = defaultdict(set)
    for _, node, _ in uses():
        used[ast.unparse(node.value).rpartition(".")[2]].add(kind_of(node.attr))
    yield from inline()
    seen: set[Pattern] = set()
    for module in modules():
        for name, value in vars(module).items():
            for pattern in patterns_in(value):
                if pattern not in seen:
                    seen.add(pattern)
                    yield f"{module.__name__}.{name}", pattern, used.get(name) or {"scan"}


def text_of(shape: str, length: int) -> str:
    return (shape * (length // len(shape) + 1))[:length]


def apply(pattern: Pattern, method: str, text: str) -> None:
    given: Any = text.encode() if isinstance(pattern.pattern, bytes) else text
    if method == "scan":
        deque(pattern.finditer(given), maxlen=0)
    else:
        getattr(pattern, method)(given)


def every_pattern() -> Iterator[tuple[str, Callable[[], object]]]:
    for name, pattern, methods in patterns():
        is_long = name.startswith(LONG_IN)
        for shape in SHAPES if is_long else SHAPES + MORE_SHAPES:
            text = text_of(shape, LONG if is_long else SHORT)
            for method in sorted(methods):
                yield f"{name} {method} {shape!r}", partial(apply, pattern, method, text)


def every_function() -> Iterator[tuple[str, Callable[[], object]]]:
    """What is done with a whole text: here behind what begins a secret and before what ends one."""
    jobs: dict[str, Callable[[str], object]] = {
        "redact": redaction.redact,
        "redact_cut": partial(redaction.redact_cut, first=10, last=WHOLE // 2),
        "masked_value": partial(masking.masked_value, "key"),
        "is_secret_name": secret_names.is_secret_name,
        "printable": formats.printable,
    }
    for name, job in jobs.items():
        for shape in SHAPES + MORE_SHAPES:
            yield f"{name} {shape!r}", partial(job, f"x password={text_of(shape, WHOLE)}!@")


def one_quadratic_pattern() -> Iterator[tuple[str, Callable[[], object]]]:
    pattern = re.compile(r"[\w.-]*(?:password|token)[\w.-]*=")
    yield "quadratic", partial(apply, pattern, "search", text_of("a-", SHORT))


JOBS = {"patterns": every_pattern, "functions": every_function, "quadratic": one_quadratic_pattern}


def work(what: str) -> None:
    """Do what a test measures: this is the child process."""
    for name, job in JOBS[what]():
        # SIGPROF kills in the middle of a match too, where Python handles no signal
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        # the last line names what did not come to its end
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()
        job()


def worked(what: str) -> list[str]:
    code = f"import django; django.setup(); from tests.project.test_patterns import work; work({what!r})"
    ended = prepared.run(["-c", code], {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "tests.settings"})
    lines = ended.stdout.splitlines()
    assert ended.returncode == 0, lines[-1]
    return lines


def test_each_pattern_is_linear() -> None:
    lines = worked("patterns")
    for name in (
        "secret_spans._ASSIGNED ",
        "secret_spans.LOOKS ",
        "masking.SCHEME ",
        "secret_names._SECRET ",
        "cadence.py",
    ):
        assert any(name in line for line in lines), name


def test_redaction_and_masking_as_a_whole_are_linear() -> None:
    assert len(worked("functions")) == 5 * len(SHAPES + MORE_SHAPES)


def test_a_pattern_of_quadratic_cost_does_not_come_to_its_end() -> None:
    with pytest.raises(AssertionError, match="quadratic"):
        worked("quadratic")
