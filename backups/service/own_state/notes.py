"""What an operator is told about a restore of this site itself: what is missing here, and what to look at."""

from collections.abc import Iterator

from django.conf import settings

from backups.archive.manifest.document import Manifest
from backups.instances.kinds.backupsite.facts import SiteFacts, variables_now
from backups.instances.kinds.backupsite.keys import KEYS, key_files
from backups.instances.kinds.backupsite.kind import INSTANCES
from backups.models import NotificationChannel
from backups.service.archives.signatures import lost_keys
from destinations.lib.formats import listed
from destinations.models import BackupDestination
from destinations.secrets import PREFIX, opens


def notes_before(manifest: Manifest, facts: SiteFacts, *, trusted: bool) -> Iterator[str]:
    """Yield what is known before anything is restored."""
    yield from _missing_variables(facts)
    if not trusted and manifest.entries_of(INSTANCES):
        yield (
            "instances.toml comes from an archive that no trusted key has signed: read its hooks, which are programs of"
            " this host, before a worker is started."
        )
    if key_files() and not manifest.entries_of(KEYS):
        yield (
            "The archive holds no keys of the site, because it is not encrypted: put back secrets_key and signing.key"
            " from a copy, or enter the secrets of destinations and channels again."
        )


def notes_after(manifest: Manifest) -> list[str]:
    """Return what the restored database shows."""
    return [*_sealed_otherwise(), *_untrusted_signers(manifest)]


def _missing_variables(facts: SiteFacts) -> Iterator[str]:
    """Yield a note on each variable of the environment that was set, and is not set in the same way here."""
    here = {variable.name: variable for variable in variables_now()}
    for variable in facts.variables:
        now = here.get(variable.name)
        # a folder of this host, which is another one
        if variable.name == "BACKUPSITE_HOME" or (now is not None and (variable.secret or now == variable)):
            continue
        was = "a secret" if variable.secret else f"{variable.value!r}" if variable.value else f"in {variable.file}"
        here_is = "is not set here" if now is None else "is set differently here"
        yield f"{variable.name} was set ({was}) and {here_is}."


def _sealed_otherwise() -> list[str]:
    """Return a note on the destinations and channels whose secrets the key of the next start does not open."""
    keys = list(settings.BACKUP_SECRETS_KEY)
    file = next((path for path in key_files() if path.name == "secrets_key"), None)
    if file is not None and all(variable.name != "BACKUP_SECRETS_KEY" for variable in variables_now()):
        keys = [file.read_text().strip()]
    rows = [*BackupDestination.objects.all(), *NotificationChannel.objects.all()]
    closed = [
        row.name
        for row in rows
        if any(
            isinstance(value, str) and value.startswith(PREFIX) and not opens(value, keys)
            for value in row.config_json.values()
        )
    ]
    return [f"No key here opens the secrets of {listed(closed)}: enter them again."] if closed else []


def _untrusted_signers(manifest: Manifest) -> list[str]:
    """Return a note on the keys that signed the backups of this site, where the archive did not bring them."""
    if manifest.entries_of(KEYS):
        return []
    texts = [key.text for key in lost_keys()]
    return [f"Put into BACKUP_TRUSTED_KEYS what has signed the backups of this site: {listed(texts)}."] if texts else []
