"""Watch configurations: sync what they declare, and back up a change once it is stable, and not too often."""

import hashlib
import json
import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from backups.errors import BackupError, ComponentError, Unresponsive
from backups.instances import Instance, get_instance, instance_names, inventory
from backups.instances.declaration import declaration_of
from backups.instances.kinds.configuration import LiveConfiguration
from backups.instances.kinds.layers import configuration_hash
from backups.lib import audit
from backups.models import BackupExecution, InstanceState
from backups.models.columns import AbsentComponent
from backups.runs.claim import lock_instance
from backups.runs.queue.queues import queue_of
from backups.service.archives.records.copies import copies_of
from backups.service.automation.cleanup import disable_removed_instances, managed_by
from backups.service.automation.sync import sync
from backups.service.backup.start import start_backup
from backups.service.monitoring import absent
from backups.service.monitoring.drift import CONFIG_HASH
from destinations.models import BackupDestination

Kind = BackupExecution.Kind
BY = "watch of the configuration"


def back_up_changes(queue: str) -> list[BackupExecution]:
    """Read the configuration of each instance of `queue`: sync what it declares, queue backups of changes.

    Return the backups, which the caller enqueues. A configuration that cannot be read is logged, and the others follow.
    What an instance describes and does not exist is kept in its row.
    """
    if queue == settings.BACKUP_QUEUE:  # the queue of instances that are not in instances.toml
        disable_removed_instances()
    names = [name for name in instance_names() if queue_of(name) == queue]
    states, known = InstanceState.objects.in_bulk(names), inventory().instances
    # the hash of the configuration in the last backup of each instance that has one, in one query
    watched = [name for name in names if name in known and known[name].service.layers]
    made_here = BackupExecution.objects.made_here().order_by("-started_at")
    last = made_here.filter(instance=OuterRef("instance")).annotate(config_hash=CONFIG_HASH)
    hashes = InstanceState.objects.filter(instance__in=watched)
    backed_up = dict(hashes.values_list("instance", Subquery(last.values("config_hash")[:1])))
    counts = absent.backups_by_instance(states)
    started = []
    for name in names:
        state = states.get(name) or InstanceState(instance=name)
        try:
            instance = get_instance(name)
            live = _read(instance, state, counts.get(name, 0))
            if live is not None:
                started += _check(instance, live, state, backed_up.get(name), timezone.now())
        except BackupError as error:
            # the front page shows it
            InstanceState.objects.update_or_create(instance=name, defaults={"config_problem": error.message})
            # logged when it is new, not every minute
            if error.message != state.config_problem:
                audit.log("watch.failed", logging.ERROR, instance=name, error=error.message)
    return started


def _read(instance: Instance, state: InstanceState, backups: int) -> LiveConfiguration | None:
    """Return the live configuration of `instance`, and keep which of its components are absent.

    Return None while its files do not answer. Raises ComponentError for a configuration that cannot be read.
    """
    known = state.absent_components or []
    live = instance.service.live()
    try:
        absent.require_answer(instance)
    except Unresponsive as error:
        _keep_absent(instance.name, known, absent.unknown(error))
        return None
    try:
        configuration = live.merged
    except ComponentError:
        # the caller keeps it: what the configuration names is not known
        _keep_absent(instance.name, known, [])
        raise
    try:
        found = absent.judge(instance, absent.find_gone(instance, configuration), known, backups)
    except ComponentError as error:
        found = absent.unknown(error)
    _keep_absent(instance.name, known, found)
    return live


def _keep_absent(name: str, known: list[AbsentComponent], found: list[AbsentComponent]) -> None:
    if found == known:
        return
    InstanceState.objects.update_or_create(instance=name, defaults={"absent_components": found or None})
    reported = {(item["component"], item["reason"]) for item in known}
    for item in found:
        # logged when it is new, not every minute
        if item["severity"] in (absent.PROBLEM, absent.LOSS) and (item["component"], item["reason"]) not in reported:
            level = logging.ERROR if item["severity"] == absent.PROBLEM else logging.WARNING
            audit.log("component.absent", level, instance=name, component=item["component"], reason=item["reason"])


def _check(
    instance: Instance, live: LiveConfiguration, state: InstanceState, backed_up: str | None, now: datetime
) -> list[BackupExecution]:
    """Sync and back up one instance as far as its configuration changed since `state` and the hash `backed_up`."""
    if instance.service.layers:
        current = configuration_hash(live.merged)
    else:
        # without a configuration of its own: its tables in instances.toml may declare destinations and schedules
        declared = instance.service.declared({})
        current = hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest() if declared else ""
    if current != state.config_hash or state.config_problem:
        synced = sync(instance.name)
        if current != state.config_hash:
            for note in synced.notes:
                audit.log("config.note", instance=instance.name, note=note)
    if current != state.config_hash:
        seen = {"config_hash": current, "config_changed_at": now}
        InstanceState.objects.update_or_create(instance=instance.name, defaults=seen)
        return []
    if not instance.service.layers or current == backed_up:
        return []
    stable_for = now - (state.config_changed_at or now)
    if stable_for < timedelta(seconds=settings.BACKUP_WATCH_DEBOUNCE) or not instance.watch:
        return []
    if not declaration_of(instance, live).enabled:
        return []
    last = BackupExecution.objects.last_made_here(instance.name)
    # `backed_up` was read before all the other instances: a backup may have completed since
    if last is None or (last.manifest_json or {}).get("config_info", {}).get("config_hash") == current:
        return []
    mine = BackupExecution.objects.of_instance(instance.name)
    # also after a failure: a change that cannot be backed up is not retried every minute
    since = now - timedelta(seconds=settings.BACKUP_WATCH_INTERVAL)
    if mine.active().exists() or mine.filter(kind=Kind.CONFIG_CHANGE, created_at__range=(since, now)).exists():
        return []
    return [
        start_backup(
            instance.name, _destinations(last), by=BY, kind=Kind.CONFIG_CHANGE, comment="configuration changed"
        )
    ]


def _destinations(last: BackupExecution) -> list[BackupDestination]:
    """Return the enabled ones of the destinations of the last backup; when there is none, the first enabled one."""
    enabled = [copy.destination for copy in copies_of(last) if copy.destination.enabled]
    return enabled or [_first_destination(last.instance)]


def start_up(queue: str) -> list[BackupExecution]:
    """Sync every instance of `queue` when its worker starts, and queue the backups declared for that moment."""
    started = []
    # a worker that is restarted again and again makes no backup at each start
    since = timezone.now() - timedelta(minutes=10)
    for name in instance_names():
        if queue_of(name) != queue:
            continue
        try:
            sync(name)
            if not declaration_of(get_instance(name)).at_startup:
                continue
            with transaction.atomic():
                lock_instance(name)  # two workers that start at once make one backup
                if BackupExecution.objects.filter(instance=name, kind=Kind.STARTUP, created_at__gt=since).exists():
                    continue
                last = BackupExecution.objects.last_made_here(name)
                targets = _destinations(last) if last else [_first_destination(name)]
                started.append(start_backup(name, targets, by="start of the worker", kind=Kind.STARTUP))
        except BackupError as error:
            audit.log("startup.failed", logging.ERROR, instance=name, error=error.message)
    return started


def _first_destination(instance: str) -> BackupDestination:
    enabled = BackupDestination.objects.enabled().order_by("created_at")
    found = enabled.filter(managed_by=managed_by(instance)).first() or enabled.first()
    if found is None:
        raise BackupError("No destination is enabled.", hint="Enable one, or add one with `adddestination`.")
    return found
