import os
import sys

from django.core.wsgi import get_wsgi_application

from backupsite.apps import register_pages
from backupsite.crashes import STARTUP_ERRORS, startup_sentence
from backupsite.memory import spare_collections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backupsite.settings")
# gunicorn's own code for a worker that cannot start: after any other one it starts the next worker at once, for ever
CANNOT_START = 3
try:
    application = get_wsgi_application()
    # before the first request: gunicorn starts no worker of a site with a broken page
    register_pages()
    spare_collections()
except STARTUP_ERRORS as error:
    sys.stderr.write(f"{startup_sentence(error)}\n")
    sys.exit(CANNOT_START)
