from django.db import migrations

AT_ONCE = 500


def one_schedule_for_each_instance(apps, schema_editor):
    """Backwards: let each part be a schedule of its own; those of several instances, and ended parts, go."""
    alias = schema_editor.connection.alias
    schedules = apps.get_model('backups', 'BackupSchedule').objects.using(alias)
    channels = apps.get_model('backups', 'NotificationChannel').objects.using(alias)
    runs = apps.get_model('backups', 'BackupExecution').objects.using(alias)
    ended = schedules.filter(left_at__isnull=False)
    runs.filter(schedule__in=ended.values('pk')).update(schedule=None)
    ended.delete()
    taken = set(schedules.filter(parent=None).values_list('name', flat=True))
    for whole in schedules.exclude(scope='instance'):
        parts = list(schedules.filter(parent=whole).order_by('instance'))
        for part in parts:
            base = f'{whole.name}-{part.instance}'[:64]
            name, number = base, 1
            while name in taken:
                number += 1
                name = f'{base[:60]}-{number}'
            taken.add(name)
            part.name, part.parent = name, None
        schedules.bulk_update(parts, ['name', 'parent'], batch_size=AT_ONCE)
        for channel in channels.filter(schedules=whole):
            channel.schedules.add(*parts)
        runs.filter(schedule=whole).update(schedule=None)
        whole.delete()


class Migration(migrations.Migration):

    dependencies = [
        ('backups', '0037_multi_schedules'),
    ]

    operations = [
        migrations.RunPython(migrations.RunPython.noop, one_schedule_for_each_instance),
    ]
