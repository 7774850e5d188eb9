"""Stubs for the functions and collations that a schema names, but only its application registers."""

import re
import sqlite3

# SQLite's errors about what is not registered here; a name may contain any character
MISSING_COLLATION = re.compile(r"no such collation sequence: (.+)", re.DOTALL)
MISSING_FUNCTION = re.compile(r"unknown function: (.+)\(\)|no such function: (.+)", re.DOTALL)
MAX_STUBS = 100
# SQLite before 3.41 refuses its own JSON functions in a schema that is not trusted; they have no side effects
UNSAFE_JSON = re.compile(r"unsafe use of json\w*\(\)", re.IGNORECASE)
# what a statement may raise; UnicodeDecodeError is an error of SQLite that quotes a name that is not UTF-8
TROUBLE = (sqlite3.Error, MemoryError, UnicodeDecodeError)


class Stubs:
    """Functions and collations that do nothing, for statements whose result depends on neither.

    `compute` is True once a function has a stub: computed values are then not those of the application.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.compute = False
        self._connection = connection
        self._seen: set[str] = set()

    def execute(self, sql: str) -> sqlite3.Cursor:
        """Run `sql`, and again after registering a stub that it lacks. Raises sqlite3.Error."""
        while True:
            try:
                return self._connection.execute(sql)
            except sqlite3.OperationalError as error:
                message = str(error)
                # the same message again: the stub does not help
                if message in self._seen or len(self._seen) == MAX_STUBS or not self._register(message):
                    raise
                self._seen.add(message)

    def _register(self, message: str) -> bool:
        """Register a stub for what `message` says is missing; return whether there is one."""
        try:
            if (collation := MISSING_COLLATION.fullmatch(message)) is not None:
                self._connection.create_collation(collation[1], lambda _left, _right: 1)
                return True
            if UNSAFE_JSON.fullmatch(message):
                self._connection.execute("PRAGMA trusted_schema=ON")
                return True
            if (function := MISSING_FUNCTION.fullmatch(message)) is None:
                return False
            # SQLite refuses every function registered here in a schema that is not trusted; a stub is harmless
            self._connection.execute("PRAGMA trusted_schema=ON")
            self._connection.create_function(function[1] or function[2], -1, lambda *_: "", deterministic=True)
        except sqlite3.Error:
            # SQLite does not accept every name
            return False
        self.compute = True
        return True
