import uuid

from django.db import migrations

AT_ONCE = 500
COLUMNS = (
    'pk', 'destination_id', 'status', 'backup_path', 'planned_path', 'compressed_size_bytes', 'archive_sha256',
    'archive_blake2b', 'encryption', 'recipients', 'verified_at', 'missing_at', 'deleted_at', 'deleted_by',
    'deleted_reason', 'created_at', 'completed_at',
)


def state_of(row):
    if row['deleted_at'] is not None:
        return 'deleted'
    if row['backup_path']:
        return 'stored'
    return 'uploading' if row['planned_path'] else 'waiting'


def one_copy_of_each(apps, schema_editor):
    """Record the archive of each backup as its only copy, and the planned one of each that is under way."""
    alias = schema_editor.connection.alias
    executions = apps.get_model('backups', 'BackupExecution').objects.using(alias)
    model = apps.get_model('backups', 'BackupCopy')
    copies = model.objects.using(alias)
    rows = executions.exclude(backup_path='') | executions.filter(status__in=['queued', 'running'])
    batch = []
    for row in rows.order_by().values(*COLUMNS).iterator(chunk_size=AT_ONCE):
        state = state_of(row)
        lost = state == 'deleted' and row['missing_at'] is not None
        batch.append(
            model(
                id=str(uuid.uuid4()),
                execution_id=row['pk'],
                destination_id=row['destination_id'],
                state=state,
                path=row['backup_path'],
                planned_path=row['planned_path'] if state == 'uploading' else '',
                size_bytes=row['compressed_size_bytes'],
                sha256=row['archive_sha256'],
                blake2b=row['archive_blake2b'],
                encryption=row['encryption'],
                recipients=row['recipients'],
                verified_at=row['verified_at'],
                missing_at=row['missing_at'] if state == 'stored' or lost else None,
                created_at=row['created_at'],
                stored_at=(row['completed_at'] or row['created_at']) if row['backup_path'] else None,
                deleted_at=row['deleted_at'],
                deleted_by=row['deleted_by'],
                deleted_reason=row['deleted_reason'],
            )
        )
        if len(batch) == AT_ONCE:
            copies.bulk_create(batch)
            batch = []
    copies.bulk_create(batch)
    stored = executions.filter(status='completed', deleted_at=None)
    stored.filter(missing_at=None).update(copies_state='all')
    stored.filter(missing_at__isnull=False).update(copies_state='missing')


class Migration(migrations.Migration):

    dependencies = [
        ('backups', '0017_copies'),
    ]

    operations = [
        migrations.RunPython(one_copy_of_each, migrations.RunPython.noop),
    ]
