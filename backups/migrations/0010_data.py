from django.db import migrations, models
from django.db.models import Count, Q
from django.utils import timezone


# what is said of one file: it need not be true of another copy of the archive
PLACE = ('backup_path', 'backup_filename', 'missing_at', 'verified_at', 'drill', 'verification')


def by_age(row):
    return row['deleting_at'] is not None, row['adopted'], row['created_at'], row['pk']


def by_use(row):
    """0 for a file that a restore could use, 1 for one that a drill or verification found to be bad, 2 for none."""
    if row['missing_at'] is not None or row['deleting_at'] is not None:
        return 2
    found = [row[name] for name in ('drill', 'verification') if row[name] is not None]
    return int(any(result.get('verdict') != 'passed' for result in found))


def keep_one_of_each(apps, schema_editor):
    """Several rows of one archive at one destination counted as several backups: the oldest made here is kept.

    It stands for the best of their files. One that is being deleted is kept only when all of them are.
    The others become deleted ones that say so. No file is touched: the next importbackups reports each as a copy.
    """
    rows = apps.get_model('backups', 'BackupExecution').objects.using(schema_editor.connection.alias)
    counted = rows.filter(status='completed', deleted_at=None).exclude(archive_sha256='')
    groups = counted.order_by().values('destination', 'archive_sha256').annotate(rows=Count('pk')).filter(rows__gt=1)
    fields = ('pk', 'adopted', 'created_at', 'deleting_at', 'pinned', 'pin_reason', *PLACE)
    for group in list(groups):
        same = counted.filter(destination=group['destination'], archive_sha256=group['archive_sha256'])
        kept, *others = sorted(same.values(*fields), key=by_age)
        reason = f"another copy of backup {kept['pk']}, which stays; its file was left where it was"
        rows.filter(pk__in=[row['pk'] for row in others]).update(deleted_at=timezone.now(), deleted_reason=reason)
        changes = {}
        # the first of equals: the place of the kept row
        best = min([kept, *others], key=by_use)
        if best is not kept:
            changes |= {name: best[name] for name in PLACE}
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
