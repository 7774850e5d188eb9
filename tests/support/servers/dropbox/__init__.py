"""A server of our own that stands in for Dropbox, because there is no emulator: the routes that backups need."""
