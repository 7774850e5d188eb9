"""`python -m backups.management COMMAND` runs a command of the site that DJANGO_SETTINGS_MODULE names."""

from destinations.management.utility import CommandUtility

if __name__ == "__main__":
    CommandUtility().execute()
