from django.db import migrations, models


BEFORE, AFTER = 'proving', 'verifying data'


def rename(apps, schema_editor, old=BEFORE, new=AFTER):
    """The stage in which restored data is verified has the word for it, in the timelines of earlier restores, too."""
    rows = apps.get_model('backups', 'RestoreExecution').objects.using(schema_editor.connection.alias)
    rows.filter(stage=old).update(stage=new)
    for pk, timeline in list(rows.exclude(timeline=[]).values_list('pk', 'timeline')):
        renamed = [[new if stage == old else stage, moment] for stage, moment in timeline]
        if renamed != timeline:
            rows.filter(pk=pk).update(timeline=renamed)


def rename_back(apps, schema_editor):
    rename(apps, schema_editor, AFTER, BEFORE)


class Migration(migrations.Migration):

    dependencies = [
        ('backups', '0006_help_texts'),
    ]

    operations = [
        migrations.AlterField(
            model_name='restoreexecution',
            name='stage',
            field=models.CharField(choices=[('waiting', 'Waiting'), ('fetching', 'Fetching'), ('verifying', 'Verifying'), ('safety', 'Safety'), ('stopping', 'Stopping'), ('applying', 'Applying'), ('verifying data', 'Verifying Data'), ('finishing', 'Finishing'), ('rolling back', 'Rolling Back'), ('done', 'Done')], default='waiting', max_length=16),
        ),
        migrations.RunPython(rename, rename_back),
    ]
