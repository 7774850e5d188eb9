from django.db import migrations, models
from django.db.models import Count, Q
from django.utils import timezone


def keep_one_of_each(apps, schema_editor):
    """Several rows of one archive at one destination counted as several backups: the oldest made here is kept.

    The others become deleted ones that say so. No file is touched: the next importbackups reports each as a copy.
    """
    rows = apps.get_model('backups', 'BackupExecution').objects.using(schema_editor.connection.alias)
    counted = rows.filter(status='completed', deleted_at=None).exclude(archive_sha256='')
    groups = counted.order_by().values('destination', 'archive_sha256').annotate(rows=Count('pk')).filter(rows__gt=1)
    fields = ('pk', 'adopted', 'created_at', 'missing_at', 'pinned', 'pin_reason', 'backup_path', 'backup_filename')
    for group in list(groups):
        same = counted.filter(destination=group['destination'], archive_sha256=group['archive_sha256'])
        kept, *others = sorted(same.values(*fields), key=lambda row: (row['adopted'], row['created_at'], row['pk']))
        reason = f"another copy of backup {kept['pk']}, which stays; its file was left where it was"
        rows.filter(pk__in=[row['pk'] for row in others]).update(deleted_at=timezone.now(), deleted_reason=reason)
        changes = {}
        stored = next((row for row in others if row['missing_at'] is None), None)
        if kept['missing_at'] is not None and stored is not None:
            place = {name: stored[name] for name in ('backup_path', 'backup_filename')}
            changes |= {'missing_at': None, **place}
        pinned = next((row for row in others if row['pinned']), None)
        if pinned is not None and not kept['pinned']:
            changes |= {'pinned': True, 'pin_reason': pinned['pin_reason']}
        if changes:
            rows.filter(pk=kept['pk']).update(**changes)


class Migration(migrations.Migration):

    dependencies = [
        ('backups', '0009_secrets'),
    ]

    operations = [
        migrations.RunPython(keep_one_of_each, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='backupexecution',
            constraint=models.UniqueConstraint(
                condition=Q(
                    Q(('archive_sha256', ''), _negated=True),
                    ('deleted_at', None),
                    ('status__in', ['queued', 'running', 'completed']),
                ),
                fields=('destination', 'archive_sha256'),
                name='one_backup_per_archive',
            ),
        ),
    ]
