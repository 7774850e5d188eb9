"""Locks between processes of all hosts, for the length of a transaction."""

from backups.models import InstanceState


def lock_instance(instance: str) -> None:
    """Hold the row of the instance until the transaction ends: what needs it comes one after another."""
    InstanceState.objects.get_or_create(instance=instance)
    InstanceState.objects.select_for_update().get(instance=instance)
