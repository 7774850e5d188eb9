"""What only the application of a database registers: functions and collations that its schema names."""

import re
import sqlite3

# what SQLite says where the schema uses what is not registered here; a name may hold anything
MISSING_COLLATION = re.compile(r"no such collation sequence: (.+)", re.DOTALL)
MISSING_FUNCTION = re.compile(r"unknown function: (.+)\(\)|no such function: (.+)", re.DOTALL)
MOST_STAND_INS = 100
# what a statement may raise: beside errors of SQLite the end of memory, and what an error with a name that is no UTF-8
# text becomes
TROUBLE = (sqlite3.Error, MemoryError, UnicodeDecodeError)


class StandIns:
    """Functions and collations that do nothing, for statements to whose result no order and no function matters.

    `compute` is true once a function has one: what is computed then is not what the application computes.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.compute = False
        self._connection = connection
        self._seen: set[str] = set()

    def execute(self, sql: str) -> sqlite3.Cursor:
        """Run `sql`. Raises sqlite3.Error, also when a stand-in does not help: the same message comes again."""
        while True:
            try:
                return self._connection.execute(sql)
            except sqlite3.OperationalError as error:
                message = str(error)
                if message in self._seen or len(self._seen) == MOST_STAND_INS or not self._stood_in(message):
                    raise
                self._seen.add(message)

    def _stood_in(self, message: str) -> bool:
        try:
            return self._register(message)
        except sqlite3.Error:
            # there are names that SQLite does not take
            return False

    def _register(self, message: str) -> bool:
        if (collation := MISSING_COLLATION.fullmatch(message)) is not None:
            self._connection.create_collation(collation[1], lambda _left, _right: 1)
            return True
        if (function := MISSING_FUNCTION.fullmatch(message)) is None:
            return False
        # SQLite takes every function of ours for one that may do harm; a stand-in does nothing
        self._connection.execute("PRAGMA trusted_schema=ON")
        self._connection.create_function(function[1] or function[2], -1, lambda *_: "", deterministic=True)
        self.compute = True
        return True
