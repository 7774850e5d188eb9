from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0031_notifications"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="backupexecution",
            index=models.Index(
                condition=models.Q(("status", "queued")),
                fields=["created_at", "instance", "owner"],
                name="execution_queued",
            ),
        ),
    ]
