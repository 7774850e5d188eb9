from django.db import migrations

AT_ONCE = 500


def without_a_sound_copy(apps, schema_editor):
    """Mark each backup that has no sound copy, and one that was changed but is there."""
    alias = schema_editor.connection.alias
    executions = apps.get_model('backups', 'BackupExecution').objects.using(alias)
    copies = apps.get_model('backups', 'BackupCopy').objects.using(alias).filter(state='stored', missing_at=None)
    sound = copies.filter(damaged_at=None).order_by().values('execution_id')
    damaged = copies.filter(damaged_at__isnull=False).exclude(execution_id__in=sound).order_by('execution_id')
    for execution_id, damaged_at in damaged.values_list('execution_id', 'damaged_at').iterator(chunk_size=AT_ONCE):
        there = executions.filter(pk=execution_id, status='completed', deleted_at=None, missing_at=None)
        there.update(damaged_at=damaged_at)


class Migration(migrations.Migration):

    dependencies = [
        ('backups', '0020_damaged'),
    ]

    operations = [
        migrations.RunPython(without_a_sound_copy, migrations.RunPython.noop),
    ]
