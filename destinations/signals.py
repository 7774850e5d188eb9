"""Signals for other apps."""

from django.dispatch import Signal

# sent by `rotatesecrets`: a receiver seals its own secrets again under the first key of BACKUP_SECRETS_KEY, and raises
# DestinationConfigError for those that no key opens
secrets_rotated = Signal()
