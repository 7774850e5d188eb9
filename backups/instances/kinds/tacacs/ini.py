"""Extracting and replacing a section of an INI text without changes to the rest, comments included."""

import re

# a byte order mark at the beginning of the text is no part of the first section
HEADER = re.compile(r"(?:^|(?<=\ufeff))\[(?P<name>[^\]\r\n]+)\]", re.MULTILINE)

QUOTED = re.compile(r"""(?P<quote>["'])(?P<value>.*?)(?P=quote)\s*(?:[#;].*)?""", re.DOTALL)
COMMENT = re.compile(r"(?:^|\s)[#;].*", re.DOTALL)


def plain_value(value: str) -> str:
    """Return `value` without a comment behind it and without quotation marks around it: ``"0 2 * * *"  # 2 AM``."""
    value = value.strip()
    if quoted := QUOTED.fullmatch(value):
        return quoted["value"]
    return COMMENT.sub("", value, count=1).strip()


def section_text(text: str, section: str) -> str:
    """Return the lines of ``[section]``, from its header to its last key; empty when there is no such section."""
    span = _span(text, section)
    return text[slice(*span)] if span else ""


def with_section(text: str, section: str, replacement: str) -> str:
    """Return `text` with ``[section]`` replaced, appended, or removed when `replacement` is empty."""
    if replacement and not replacement.endswith("\n"):
        replacement += "\n"
    if span := _span(text, section):
        return text[: span[0]] + replacement + text[span[1] :]
    return text if not replacement else text.rstrip("\n") + "\n\n" + replacement


def _span(text: str, section: str) -> tuple[int, int] | None:
    headers = list(HEADER.finditer(text))
    for header, following in zip(headers, [*headers[1:], None], strict=True):
        if header["name"] == section:
            end = following.start() if following else len(text)
            lines = text[header.start() : end].splitlines(keepends=True)
            # comments and empty lines after the last key belong to the next section
            while len(lines) > 1 and (not lines[-1].strip() or lines[-1].lstrip().startswith(("#", ";"))):
                lines.pop()
            return header.start(), header.start() + sum(map(len, lines))
    return None
