from django.db import migrations

# as many as the plots of an instance show; the trend itself is found in manifests
NEWEST = 60


def amounts_in(manifest):
    """Return what each component holds, as the service records it for new backups."""
    found = {}
    for entry in manifest.get('contents') or []:
        component = entry.get('component')
        # the merged configuration is made from the others
        if not component or entry.get('file') == 'config_export.json':
            continue
        amount = found.setdefault(component, {'component': component, 'rows': None, 'files': None, 'bytes': 0})
        amount['bytes'] += entry.get('file_bytes') or entry['size_bytes']
        if entry.get('files') is not None:
            amount['files'] = (amount['files'] or 0) + entry['files']
        if entry.get('type') == 'database' and not entry.get('not_counted'):
            tables = entry.get('tables')
            own = None if tables is None else [rows for name, rows in tables.items() if not name.startswith('sqlite_')]
            rows = entry.get('records') if own is None else sum(own)
            if rows is not None:
                amount['rows'] = (amount['rows'] or 0) + rows
    return list(found.values())


def amounts_of_the_newest(apps, schema_editor):
    """Record the amounts of the newest backups of each instance, whose manifests have them."""
    alias = schema_editor.connection.alias
    backups = apps.get_model('backups', 'BackupExecution').objects.using(alias).filter(status='completed')
    for instance in backups.order_by('instance').values_list('instance', flat=True).distinct():
        newest = backups.filter(instance=instance).order_by('-created_at', '-id').values_list('pk', flat=True)
        # one manifest at a time: each may have megabytes
        for pk in list(newest[:NEWEST]):
            manifest = backups.values_list('manifest_json', flat=True).get(pk=pk)
            try:
                amounts = amounts_in(manifest)
            except (AttributeError, KeyError, TypeError):
                # of an archive that another program wrote
                continue
            backups.filter(pk=pk, amounts__isnull=True).update(amounts=amounts)


class Migration(migrations.Migration):

    dependencies = [
        ('backups', '0027_amounts'),
    ]

    operations = [
        migrations.RunPython(amounts_of_the_newest, migrations.RunPython.noop),
    ]
