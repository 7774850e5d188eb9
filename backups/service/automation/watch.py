"""A change of configuration triggers a backup, once it has been stable for a while and not too often."""

import hashlib
import json
import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from backups.errors import BackupError
from backups.instances import Instance, get_instance, instance_names, inventory
from backups.instances.declaration import declaration_of
from backups.instances.kinds.base import LiveConfiguration
from backups.instances.kinds.layers import configuration_hash
from backups.lib import audit
from backups.models import BackupExecution, InstanceState
from backups.runs.claim import lock_instance
from backups.runs.queue.queues import queue_of
from backups.service.automation.cleanup import disable_gone
from backups.service.automation.sync import sync
from backups.service.backup.start import start_backup
from backups.service.monitoring.protection import CONFIG_HASH
from destinations.models import BackupDestination

Kind = BackupExecution.Kind
BY = "watch of the configuration"


def watch(queue: str) -> list[BackupExecution]:
    """Look at the configuration of each instance of `queue`: sync what it declares, start backups of changes.

    Return the queued executions; the caller rings for them. An instance whose configuration cannot be read is logged,
    and keeps none of the others from being looked at.
    """
    if queue == settings.BACKUP_QUEUE:  # an instance that nobody describes belongs to it
        disable_gone()
    names = [name for name in instance_names() if queue_of(name) == queue]
    states, backed_up = InstanceState.objects.in_bulk(names), _backed_up(names)
    started = []
    for name in names:
        state = states.get(name) or InstanceState(instance=name)
        try:
            started += _look_at(get_instance(name), state, backed_up.get(name), timezone.now())
        except BackupError as error:
            _note_problem(state, error.message)
    return started


def _note_problem(state: InstanceState, problem: str) -> None:
    """Keep it for the front page; it is logged when it is new, and not each minute."""
    InstanceState.objects.update_or_create(instance=state.instance, defaults={"config_problem": problem})
    if problem != state.config_problem:
        audit.log("watch.failed", logging.ERROR, instance=state.instance, error=problem)


def _backed_up(names: list[str]) -> dict[str, str | None]:
    """Return the hash of the configuration in the last backup of each instance that is watched, in one query."""
    known = inventory().instances
    watched = [name for name in names if name in known and known[name].service.layers]
    made_here = BackupExecution.objects.made_here().order_by("-started_at")
    last = made_here.filter(instance=OuterRef("instance")).annotate(config_hash=CONFIG_HASH)
    states = InstanceState.objects.filter(instance__in=watched)
    return dict(states.values_list("instance", Subquery(last.values("config_hash")[:1])))


def _look_at(instance: Instance, state: InstanceState, backed_up: str | None, now: datetime) -> list[BackupExecution]:
    live = instance.service.live()
    current = _seen(instance, live)
    if current != state.config_hash or state.config_problem:
        sync(instance.name)
    if current != state.config_hash:
        seen = {"config_hash": current, "config_changed_at": now}
        InstanceState.objects.update_or_create(instance=instance.name, defaults=seen)
        return []
    if not instance.service.layers or current == backed_up:
        return []
    stable_for = now - (state.config_changed_at or now)
    if stable_for < timedelta(seconds=settings.BACKUP_WATCH_DEBOUNCE) or not _wanted(instance, live):
        return []
    last = BackupExecution.objects.last_made_here(instance.name)
    if last is None or _config_hash(last) == current or _too_soon(instance, now):
        return []
    return [
        start_backup(instance.name, _destination(last), by=BY, kind=Kind.CONFIG_CHANGE, comment="configuration changed")
    ]


def _seen(instance: Instance, live: LiveConfiguration) -> str:
    """Return the hash of the configuration; of an instance that has none, that of its tables in instances.toml."""
    if instance.service.layers:
        return configuration_hash(live.merged)
    declared = instance.service.declared({})
    return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest() if declared else ""


def _wanted(instance: Instance, live: LiveConfiguration) -> bool:
    return instance.watch and declaration_of(instance, live).enabled


def _config_hash(execution: BackupExecution) -> str | None:
    hash_: str | None = (execution.manifest_json or {}).get("config_info", {}).get("config_hash")
    return hash_


def _too_soon(instance: Instance, now: datetime) -> bool:
    """True while a run is waiting or running, or when the last change was backed up, or failed to be, just now."""
    since = now - timedelta(seconds=settings.BACKUP_WATCH_INTERVAL)
    mine = BackupExecution.objects.of_instance(instance.name)
    return mine.active().exists() or mine.filter(kind=Kind.CONFIG_CHANGE, created_at__range=(since, now)).exists()


def _destination(last: BackupExecution) -> BackupDestination:
    """Return where the change goes: where the last backup went, or else any enabled destination."""
    return last.destination if last.destination.enabled else _first_destination(last.instance)


def start_up(queue: str) -> list[BackupExecution]:
    """When a worker of `queue` starts: sync every instance, and back up those that ask for it.

    A worker that starts again and again makes no backup more often than every ten minutes.
    """
    started = []
    since = timezone.now() - timedelta(minutes=10)
    for name in instance_names():
        if queue_of(name) != queue:
            continue
        try:
            sync(name)
            started += _back_up_at_start(get_instance(name), since)
        except BackupError as error:
            audit.log("startup.failed", logging.ERROR, instance=name, error=error.message)
    return started


def _back_up_at_start(instance: Instance, since: datetime) -> list[BackupExecution]:
    if not declaration_of(instance).at_startup:
        return []
    with transaction.atomic():
        lock_instance(instance.name)  # two workers that start at once make one
        recent = BackupExecution.objects.filter(instance=instance.name, kind=Kind.STARTUP, created_at__gt=since)
        if recent.exists():
            return []
        last = BackupExecution.objects.last_made_here(instance.name)
        target = _destination(last) if last else _first_destination(instance.name)
        return [start_backup(instance.name, target, by="start of the worker", kind=Kind.STARTUP)]


def _first_destination(instance: str) -> BackupDestination:
    enabled = BackupDestination.objects.enabled().order_by("created_at")
    found = enabled.filter(managed_by=f"configuration of {instance}").first() or enabled.first()
    if found is None:
        raise BackupError("no destination is enabled", hint="enable one, or add one with `adddestination`")
    return found
