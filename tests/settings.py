"""The real settings in a home of their own."""

import atexit
import os
import shutil
import signal
import tempfile

from tests.support.memory import folder_in_memory

# In memory where that is possible: the tests commit to their database thousands of times.
_home = tempfile.mkdtemp(prefix="backupsite-tests-", dir=folder_in_memory(256 << 20))
atexit.register(shutil.rmtree, _home, ignore_errors=True)
for _name in [name for name in os.environ if name.startswith(("BACKUP_", "DATABASE_URL", "SECRET_KEY"))]:
    del os.environ[_name]
os.environ["BACKUPSITE_HOME"] = _home

# Under `nohup`, or with `&`, some signals are ignored: the programs that tests start must not inherit that.
for _number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda *_: None)

from backupsite.settings import *  # noqa: E402, F403
from backupsite.settings import DATABASES  # noqa: E402

# A file: threads and child processes of a test see one database, each through a connection of its own.
DATABASES["default"]["TEST"] = {"NAME": f"{_home}/test.sqlite3"}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Each browser of a test has a handler of its own, which would look at all static files before its first request.
WHITENOISE_AUTOREFRESH = True
