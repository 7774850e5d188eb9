from django.db import migrations
from django.db.models import Q

# of the errors of a drill or a verification that could not open the archive for want of a key on its host
NO_KEY = (
    "There is no key to open the age file with.",
    "No configured identity opens the age file.",
    "No configured passphrase opens the age file.",
    "is encrypted and no passphrase is configured.",
    "No program for decryption is configured.",
)


def withdraw_verdicts(apps, schema_editor):
    """A drill or a verification on a host without the key called the archive bad, although it may be good."""
    alias = schema_editor.connection.alias
    drills = apps.get_model("backups", "DrillExecution").objects.using(alias)
    backups = apps.get_model("backups", "BackupExecution").objects.using(alias)
    about_keys = Q()
    for text in NO_KEY:
        about_keys |= Q(error_message__contains=text)
    drills.filter(about_keys, verdict="failed").update(verdict="", findings={})
    for column in ("drill", "verification"):
        failed = backups.filter(**{f"{column}__verdict": "failed"}).values_list("pk", column)
        withdrawn = [pk for pk, found in failed if any(text in found.get("error", "") for text in NO_KEY)]
        for pk in withdrawn:
            backups.filter(pk=pk).update(**{column: None})


class Migration(migrations.Migration):

    dependencies = [
        ("backups", "0013_cadence_changed"),
    ]

    operations = [
        migrations.RunPython(withdraw_verdicts, migrations.RunPython.noop),
    ]
