"""Lists of the entries of a tree in an archive, for previews: compressed, encrypted, and read block by block."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from backups.models.backup import BackupExecution
from backups.models.run import new_id


class TreeList(models.Model):
    """One list. `blocks` is their number, empty while the list is being written; an unfinished list is not used."""

    id = models.TextField(primary_key=True, default=new_id, editable=False)
    execution = models.ForeignKey(BackupExecution, on_delete=models.CASCADE, related_name="tree_lists")
    file = models.CharField(max_length=255, help_text="the member of the archive that holds the tree")
    checksum_sha256 = models.CharField(max_length=64, help_text="SHA-256 of that member")
    key = models.BinaryField(help_text="key of its blocks, sealed with BACKUP_SECRETS_KEY")
    blocks = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), default=timezone.now)

    class Meta:
        db_table = "backup_tree_lists"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.file} of {self.execution_id}"


class TreeListBlock(models.Model):
    tree_list = models.ForeignKey(TreeList, on_delete=models.CASCADE, related_name="+", db_index=False)
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        db_table = "backup_tree_list_blocks"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tree_list", "number"], name="one_block_per_number"),
        ]

    def __str__(self) -> str:
        return f"block {self.number} of {self.tree_list_id}"
