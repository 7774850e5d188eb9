from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("backups", "0015_help_texts"),
    ]

    operations = [
        migrations.AddField(
            model_name="instancestate",
            name="absent_components",
            field=models.JSONField(
                blank=True,
                help_text="components that did not exist when they were last looked for; null for none",
                null=True,
            ),
        ),
    ]
