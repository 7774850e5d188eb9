"""Whether a dump that no trusted key has signed is only what pg_dump writes: psql runs its input as a program.

A backslash outside the rows of a table starts a command of psql, which may be one of the shell of this host. A
statement may start a program on the server, read its files or leave a trigger in the database.
"""

import re
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from backups.errors import DamagedComponent
from destinations.lib.formats import printable

NAME = r'(?:[A-Za-z_]\w*|"[^"\n]*")'
TABLE = rf"{NAME}\.{NAME}"
SETTINGS = (
    *("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"),
    *("client_encoding", "standard_conforming_strings", "check_function_bodies", "xmloption", "client_min_messages"),
    *("row_security", "default_tablespace", "default_table_access_method", "default_with_oids"),
)
# newer versions of pg_dump put their dump between these two
RESTRICT = re.compile(r"\\(?:un)?restrict [A-Za-z0-9]+")
ROWS = re.compile(rf"COPY {TABLE} \({NAME}(?:, {NAME})*\) FROM stdin;")
END_OF_ROWS = "\\.\n"
STATEMENTS = re.compile(
    "|".join((
        rf"SET (?:{'|'.join(SETTINGS)}) = (?:'\w*'|\w+);",
        r"SELECT pg_catalog\.set_config\('search_path', '', false\);",
        rf"SELECT pg_catalog\.setval\('{TABLE}', \d+, (?:true|false)\);",
        rf"CREATE EXTENSION IF NOT EXISTS {NAME} WITH SCHEMA {NAME};",
        rf"CREATE (?:UNLOGGED )?(?:TABLE {TABLE} \(|SEQUENCE {TABLE}\s).*",
        rf"CREATE (?:UNIQUE )?INDEX {NAME} ON (?:ONLY )?{TABLE} USING .*",
        rf"ALTER (?:TABLE (?:ONLY )?|SEQUENCE |INDEX ){TABLE}\s.*",
    )),
    re.DOTALL | re.ASCII,
)  # fmt: skip
# A colon alone stands for a variable of psql, a dollar may begin a text, and what a comment hides is not looked at:
# pg_dump writes none of these inside a statement on tables.
PIECES = re.compile(r"""'[^']*'|"[^"]*"|::|(?P<end>;)|(?P<open>['"])|(?P<refused>[$:]|--|/\*)|[^'"$:;/-]+|[/-]""")
TEXTS = re.compile(r"'[^']*'")
NAMES = re.compile(r'"[^"]*"')
CALLS = re.compile(rf"(?<!\w)(?P<schema>{NAME}\.)?(?P<name>{NAME})\s*\(")
SYSTEM = ("pg_catalog", "information_schema")
# what stands before a bracket in the definition of a table: words of SQL, types, and functions that only compute
BEFORE_BRACKETS = {
    *("and", "any", "array", "as", "check", "default", "identity", "in", "include", "key", "not", "or", "unique"),
    *("using", "values", "where", "with", "bit", "character", "numeric", "varying", "btree", "gin", "gist", "hash"),
    *("coalesce", "lower", "nextval", "statement_timestamp", "upper"),
}
LONGEST_STATEMENT = 64 << 10


def require_plain(dump: Path) -> None:
    """Raise DamagedComponent for a dump with anything but tables, sequences, indexes and rows."""
    # in any encoding of the client ASCII means the same; psql splits lines nowhere else
    with dump.open(encoding="ascii", errors="surrogateescape", newline="\n") as file:
        lines = iter(file)
        for line in lines:
            text = line.removesuffix("\n")
            if RESTRICT.fullmatch(text):
                continue
            if ROWS.fullmatch(text):
                _skip_rows(lines, text)
            elif text and not (text.startswith("--") and text.isascii() and text.isprintable()):
                _require_known(_statement(text, lines))


def _skip_rows(lines: Iterator[str], copy: str) -> None:
    for line in lines:
        if line == END_OF_ROWS:
            return
        # psql ends the rows there, too, or reads no further than to the NUL
        if line.rstrip("\r\n") == "\\." or "\0" in line:
            break
    raise _refused(copy)


def _statement(text: str, lines: Iterator[str]) -> str:
    """Return the statement that begins with the line `text`, with the lines up to its semicolon."""
    while True:
        # what else psql may take for the end of a line, or for a command
        if "\\" in text or not text.isascii() or not text.replace("\n", "").isprintable():
            raise _refused(text)
        for piece in PIECES.finditer(text):
            if piece["refused"]:
                raise _refused(text)
            # goes on in the next line
            if piece["open"]:
                break
            if piece["end"]:
                if piece.end() < len(text):
                    raise _refused(text)
                return text
        following = next(lines, None)
        if following is None or len(text) > LONGEST_STATEMENT:
            raise _refused(text)
        text += "\n" + following.removesuffix("\n")


def _require_known(statement: str) -> None:
    known, plain = STATEMENTS.fullmatch(statement) is not None, TEXTS.sub("''", statement)
    # psql goes on after a semicolon inside of brackets
    depths = [*accumulate((char == "(") - (char == ")") for char in NAMES.sub("", plain))]
    known &= min(depths) >= 0 and not depths[-1]
    for call in CALLS.finditer(plain):
        if call["schema"]:
            # a table, but for the two functions that are compared in full
            schema = call["schema"].rstrip(".").strip('"').lower()
            known &= schema not in SYSTEM or statement.startswith("SELECT ")
        else:
            known &= call["name"].lower() in BEFORE_BRACKETS
    if not known:
        raise _refused(statement)


def _refused(text: str) -> DamagedComponent:
    return DamagedComponent(
        "The dump in the archive, which no trusted key has signed, has a part that a backup of this site has not:"
        f" {printable(text.strip()[:80])}.",
        hint="Put the public key of the recovery kit into BACKUP_TRUSTED_KEYS, or use another backup.",
    )
