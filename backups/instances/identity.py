"""Which instance an archive is of: the name in its manifest says so, or else the id that the service gave itself."""

from backups.archive.manifest.document import Manifest
from backups.errors import ComponentError
from backups.instances import Instance, inventory
from destinations.lib.operator_error import sentences

# of pages too: an id that cannot be read soon is unknown
LOCK_TIMEOUT = 1.0


def reason_not_of(manifest: Manifest, instance: Instance) -> str:
    """Return why the archive counts as one of another instance; empty when it is of `instance`, under any name."""
    if manifest.instance_name == instance.name:
        return ""
    message = f"The archive is of instance {manifest.instance_name}, not of {instance.name}."
    # a copy of a server has its id: what bears the name of another instance here is of that one
    if manifest.instance_name in _described():
        return message
    try:
        own = instance.service.own_id(LOCK_TIMEOUT)
    except ComponentError as error:
        return sentences(message, f"The id of {instance.name} cannot be read: {error.message}")
    return "" if own and own == manifest.instance_id else message


def instance_of(manifest: Manifest) -> str:
    """Return the name of the instance here that the archive is of; the name in the archive where there is none."""
    if manifest.instance_name in _described():
        return manifest.instance_name
    found = [one.name for one in inventory().instances.values() if not reason_not_of(manifest, one)]
    return found[0] if len(found) == 1 else manifest.instance_name


def identity_notes(manifest: Manifest, instance: Instance) -> list[str]:
    """Return a note where the name of the archive and its id do not agree about `instance`."""
    try:
        own = instance.service.own_id(LOCK_TIMEOUT)
    except ComponentError:
        # what cannot be read now is no reason to doubt the name
        return []
    same_name, same_id = manifest.instance_name == instance.name, manifest.instance_id == own
    if not own or same_name == same_id:
        return []
    if same_id:
        return [f"The archive calls its instance {manifest.instance_name}; by its id {own} it is of {instance.name}."]
    # an archive of a service without an id has its name in that place
    if manifest.instance_id == manifest.instance_name:
        return []
    other = f"The archive is of another installation of {instance.name}"
    return [f"{other}: its id is {manifest.instance_id}, that of the present one is {own}."]


def _described() -> set[str]:
    known = inventory()
    return {*known.instances, *(problem.instance for problem in known.problems)}
