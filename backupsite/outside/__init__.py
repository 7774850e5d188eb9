"""The one command of a machine that watches a site elsewhere: it has no database, no instances and no keys."""
