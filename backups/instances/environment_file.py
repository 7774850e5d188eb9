"""Files of environment variables in the formats of systemd, `docker run` and Compose, each with its own quotes.

A parser raises ValueError, with the number of the line and without its text, where its program would refuse the file. A
value is None where it depends on the environment of that program.
"""

import re
from collections.abc import Callable, Mapping

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SPACE, NEWLINE = " \t\n\r", "\n\r"
# a name, "=" or ":", and a value that is quoted or ends with its line
COMPOSE = re.compile(
    rf"""[ \t\r]*(?:export[ \t]+)?(?P<name>{NAME.pattern})[ \t]*[=:][ \t]*
    (?:'(?P<single>(?:\\'|[^'])*+)'[ \t\r]*(?:\#[^\n]*)?
    |"(?P<double>(?:\\.|[^"\\])*+)"[ \t\r]*(?:\#[^\n]*)?
    |(?!['"])(?P<plain>[^\n]*))(?:\n|\Z)""",
    re.VERBOSE | re.DOTALL,
)
COMPOSE_IGNORED = re.compile(rf"[ \t\r]*(?:\#[^\n]*|(?:export[ \t]+)?(?P<name>{NAME.pattern})[ \t\r]*)?(?:\n|\Z)")
ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


Variables = dict[str, str | None]


def systemd(text: str) -> Variables:
    """Parse an `EnvironmentFile=`. Source: systemd.exec(5); states as in its parser, comments as from version 254 on.

    A line without "=", and an assignment to what is no name ("export A"), is ignored, as systemd does.
    """
    variables: Variables = {}
    state, key, value, end = "before key", "", "", 0
    for char in text:
        if state == "before key":
            if char in "#;":
                state = "comment"
            elif char not in SPACE:
                state, key = "key", char
        elif state == "comment":
            state = "before key" if char in NEWLINE else state
        elif state == "key":
            state, value = ("before value", "") if char == "=" else ("before key" if char in NEWLINE else state, value)
            key += char if char != "=" else ""
        elif char in NEWLINE and state in ("before value", "value"):
            variables[key.strip(SPACE)] = value[:end] if state == "value" else value
            state = "before key"
        elif state == "before value":
            # quotes count here only, also behind a quoted part; within unquoted text they are text
            state = {"'": "single", '"': "double", "\\": "escape"}.get(char, state if char in SPACE else "value")
            value += char if state == "value" else ""
            end = len(value)
        elif state == "value":
            state = "escape" if char == "\\" else state
            value += "" if char == "\\" else char
            end = end if char in SPACE else len(value)
        elif state == "escape":
            state, value = "value", value + ("" if char in NEWLINE else char)
            end = len(value)
        elif state == "single":
            state, value = ("before value", value) if char == "'" else (state, value + char)
        elif state == "double":
            state = {'"': "before value", "\\": "escape in double"}.get(char, state)
            value += char if state == "double" else ""
        else:
            state = "double"
            value += char if char in '"\\`$' else "" if char in NEWLINE else f"\\{char}"
    if state not in ("before key", "comment", "key"):
        variables[key.strip(SPACE)] = value[:end] if state == "value" else value
    return {name: value for name, value in variables.items() if NAME.fullmatch(name)}


def docker(text: str) -> Variables:
    """Parse the file of `docker run --env-file`. Source: docs.docker.com/reference/cli/docker/container/run, there.

    A value is the rest of its line as it is, quotation marks and "#" included. A name alone has the value of
    the environment of the command.
    """
    variables: Variables = {}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        assignment = line.removesuffix("\r").lstrip()
        name, sign, value = assignment.partition("=")
        if not assignment or assignment.startswith("#"):
            continue
        if not name or re.search(r"\s", name):
            raise ValueError(f"line {number} has no name without spaces")
        variables[name] = value if sign else None
    return variables


def compose(text: str) -> Variables:
    """Parse an `env_file` of Compose. Source: docs.docker.com/reference/compose-file/services, env_file.

    Values that are not in single quotes may refer to variables of the program.
    """
    variables: Variables = {}
    position = 0
    while position < len(text):
        if (found := COMPOSE.match(text, position)) is not None:
            single, double, plain = found.group("single", "double", "plain")
            if single is not None:
                value = single.replace("\\'", "'")
            elif double is not None:
                value = re.sub(r"\\(.)", lambda escape: ESCAPES.get(escape[1], escape[1]), double, flags=re.DOTALL)
            else:
                value = re.sub(r"(?:^|[ \t])#.*", "", plain).strip()
            refers = single is None and re.search(r"(?<!\\)\$", double if double is not None else value)
            variables[found["name"]] = None if refers else value
        elif (found := COMPOSE_IGNORED.match(text, position)) is not None:
            if found["name"]:
                variables[found["name"]] = None
        else:
            raise ValueError(f"line {text.count(chr(10), 0, position) + 1} is neither an assignment nor a comment")
        position = found.end()
    return variables


Parser = Callable[[str], Variables]
FORMATS: Mapping[str, Parser] = {"systemd": systemd, "docker": docker, "compose": compose}
