from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("backups", "0028_amounts_data"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="backupcopy",
            index=models.Index(
                condition=models.Q(("state", "deleted"), _negated=True),
                fields=["destination", "state", "missing_at", "damaged_at", "size_bytes", "locked_until"],
                name="copy_usage",
            ),
        ),
    ]
