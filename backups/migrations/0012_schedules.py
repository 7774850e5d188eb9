import django.utils.timezone
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models.functions import Now


def count_from_the_creation(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    schedules = apps.get_model("backups", "BackupSchedule")._default_manager.using(schema_editor.connection.alias)
    schedules.update(active_since=models.F("created_at"))


class Migration(migrations.Migration):

    dependencies = [
        ("backups", '0011_data_archives'),
    ]

    operations = [
        migrations.AddField(
            model_name="backupschedule",
            name="active_since",
            field=models.DateTimeField(db_default=Now(), default=django.utils.timezone.now, editable=False),
        ),
        migrations.AddField(
            model_name="backupschedule",
            name="last_error",
            field=models.TextField(blank=True, db_default="", default="", editable=False),
        ),
        migrations.RunPython(count_from_the_creation, migrations.RunPython.noop),
    ]
