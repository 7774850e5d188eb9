"""Given to pytest with ``-p``: what is imported as sqlite3 from here on is the newest SQLite, of pysqlite3-binary."""

import sys

import pysqlite3
from pysqlite3 import dbapi2

sys.modules["sqlite3"], sys.modules["sqlite3.dbapi2"] = pysqlite3, dbapi2
