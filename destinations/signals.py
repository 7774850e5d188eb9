"""What other code may listen to."""

from django.dispatch import Signal

# sent when all secrets are sealed again under the first key of BACKUP_SECRETS_KEY, others that are kept too;
# a receiver raises DestinationConfigError for those that no key opens
secrets_rotated = Signal()
