from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("backups", '0012_schedules'),
    ]

    operations = [
        migrations.AddField(
            model_name="backupschedule",
            name="cadence_changed",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
    ]
