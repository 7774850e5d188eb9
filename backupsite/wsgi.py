import os
import sys

from django.core.wsgi import get_wsgi_application

from backupsite.crashes import STARTUP_ERRORS, startup_sentence

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backupsite.settings")
# gunicorn's own code for a worker that cannot start: after any other one it starts the next worker at once, for ever
CANNOT_START = 3
try:
    application = get_wsgi_application()
except STARTUP_ERRORS as error:
    sys.stderr.write(f"{startup_sentence(error)}\n")
    sys.exit(CANNOT_START)
