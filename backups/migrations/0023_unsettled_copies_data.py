import uuid

from django.db import migrations
from django.db.models import Exists, OuterRef

AT_ONCE = 500
COLUMNS = (
    'pk', 'destination_id', 'status', 'adopted', 'backup_path', 'planned_path', 'compressed_size_bytes',
    'archive_sha256', 'archive_blake2b', 'encryption', 'recipients', 'verified_at', 'missing_at', 'deleted_at',
    'deleted_by', 'deleted_reason', 'created_at', 'completed_at',
)


def a_copy_of_each(apps, schema_editor):
    """Record the copy of each backup that a process of the release before has made or begun meanwhile.

    Safe to run again: backups that have a copy are left out.
    """
    alias = schema_editor.connection.alias
    model = apps.get_model('backups', 'BackupCopy')
    copies = model.objects.using(alias)
    executions = apps.get_model('backups', 'BackupExecution').objects.using(alias)
    without = executions.filter(~Exists(copies.filter(execution=OuterRef('pk'))))
    rows = without.filter(status__in=['completed', 'queued', 'running'])
    batch = []
    for row in rows.order_by().values(*COLUMNS).iterator(chunk_size=AT_ONCE):
        is_stored = row['status'] == 'completed' and row['backup_path'] != ''
        is_deleted = is_stored and row['deleted_at'] is not None
        under_way = not is_stored and row['planned_path'] != ''
        batch.append(
            model(
                id=str(uuid.uuid4()),
                execution_id=row['pk'],
                destination_id=row['destination_id'],
                state='deleted' if is_deleted else 'stored' if is_stored else 'uploading' if under_way else 'waiting',
                path=row['backup_path'] if is_stored else '',
                planned_path=row['planned_path'] if under_way else '',
                size_bytes=row['compressed_size_bytes'],
                sha256=row['archive_sha256'],
                blake2b=row['archive_blake2b'],
                encryption=row['encryption'],
                recipients=row['recipients'],
                verified_at=row['verified_at'],
                verified_by='' if not is_stored else 'import' if row['adopted'] else 'upload',
                missing_at=row['missing_at'] if is_stored else None,
                created_at=row['created_at'],
                stored_at=(row['completed_at'] or row['created_at']) if is_stored else None,
                deleted_at=row['deleted_at'],
                deleted_by=row['deleted_by'],
                deleted_reason=row['deleted_reason'],
            )
        )
        if len(batch) == AT_ONCE:
            copies.bulk_create(batch, ignore_conflicts=True)
            batch = []
    # of two rows with one archive the second has no copy: backups.W083 names it
    copies.bulk_create(batch, ignore_conflicts=True)
    unknown = executions.filter(status='completed', deleted_at=None, copies_state='')
    stored = unknown.filter(Exists(copies.filter(execution=OuterRef('pk'), state='stored')))
    stored.filter(missing_at=None).update(copies_state='all')
    stored.filter(missing_at__isnull=False).update(copies_state='missing')


def no_copy_of_what_did_not_complete(apps, schema_editor):
    """Unmark the copies of backups that failed: no archive counts, and one that is there is found by the catalogue."""
    alias = schema_editor.connection.alias
    copies = apps.get_model('backups', 'BackupCopy').objects.using(alias)
    ended = copies.filter(state='stored', execution__status__in=['failed', 'cancelled', 'interrupted'])
    ended.update(state='failed', path='', stored_at=None)


class Migration(migrations.Migration):

    dependencies = [
        ('backups', '0022_unsettled_copies'),
    ]

    operations = [
        migrations.RunPython(a_copy_of_each, migrations.RunPython.noop),
        migrations.RunPython(no_copy_of_what_did_not_complete, migrations.RunPython.noop),
    ]
