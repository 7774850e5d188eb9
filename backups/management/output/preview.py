"""The preview of a restore as text for a terminal."""

from collections.abc import Iterator

from backups.service.restore.preview.component import ComponentPreview
from backups.service.restore.preview.signature import PreviewedSignature
from backups.service.restore.preview.summary import Preview
from backups.service.restore.preview.tree import TreePreview
from destinations.lib.formats import counted, human_duration, human_size, printable

SHOWN_NAMES = 20
ROW = "  {:12}  {:24}  {:>9}  {:>9}  {:>10}  {:23}  {}"


def preview_text(shown: Preview, signature: PreviewedSignature, *, undo: bool) -> str:
    # a row whose last columns are empty ends in spaces
    return "\n".join(printable(line.rstrip()) for line in _lines(shown, signature, undo=undo))


def _lines(shown: Preview, signature: PreviewedSignature, *, undo: bool) -> Iterator[str]:
    when = f"{shown.taken_at:%Y-%m-%d %H:%M:%S %Z}" if shown.taken_at else "at an unknown time"
    ago = f" ({human_duration(shown.age)} ago)" if shown.age else ""
    yield f"instance     {shown.instance}"
    yield f"archive      {shown.archive}"
    yield f"             {shown.kind} backup of {shown.archive_instance}, {when}{ago}"
    yield f"             made by {shown.triggered_by} on {shown.hostname} with {shown.application},"
    yield f"             format {shown.format}, {human_size(shown.size_bytes)} unpacked"
    yield f"             SHA-256 {shown.archive_sha256}"
    yield f"             {signature.text}"
    yield ""
    selected = [component for component in shown.components if component.selected]
    yield ROW.format("component", "table", "now", "backup", "difference", "newest now", "newest in the backup")
    for component in selected:
        yield from _tables(component)
    for component in selected:
        label = f"  {component.name:12}  "
        for item in component.configuration:
            yield f"{label}[{item.section}] {item.key}: {_value(item.now)} -> {_value(item.backup)}"
        yield from (f"{label}{note}" for note in component.notes)
        if component.tree is not None:
            yield from _entries(component.name, component.tree)
        if component.loss:
            yield f"{label}{component.loss}"
    yield ""
    for component in shown.components:
        if not component.selectable:
            yield f"left alone   {component.name}: {component.reason}"
        elif not component.selected:
            yield f"left alone   {component.name}"
    yield from (f"warning      {text}" for text in shown.warnings)
    refusals = (*shown.refusals, signature.refusal(undo=undo))
    yield from (f"refused      {refusal.of_command}" for refusal in refusals if refusal)
    assumed = dict.fromkeys(text for component in selected for text in component.assumed)
    yield from (f"assumed      {text}" for text in assumed)
    yield f"loss         {shown.loss}"


def _tables(component: ComponentPreview) -> Iterator[str]:
    """Yield a row for each table that differs, and the count of the others."""
    different = [table for table in component.tables if table.difference or table.gone]
    for table in different:
        yield ROW.format(
            component.name,
            printable(table.name),
            f"{table.now:,}",
            f"{table.backup:,}",
            f"{table.difference:+,}",
            printable(table.newest_now or ""),
            printable(table.newest_backup or ""),
        )
    if same := len(component.tables) - len(different):
        which = counted(same, "other table" if different else "table")
        yield f"  {component.name:12}  {which} with as many rows now as in the backup"


def _entries(name: str, tree: TreePreview) -> Iterator[str]:
    """Yield the first deleted, changed and added names, and the count of the others."""
    for sign, group in (("-", tree.going), ("~", tree.changing), ("+", tree.returning)):
        for entry in group.named[:SHOWN_NAMES]:
            change = f" ({entry.change})" if entry.change else ""
            yield f"  {name:12}  {sign} {entry.name}{change}"
        if more := group.count - len(group.named[:SHOWN_NAMES]):
            yield f"  {name:12}  {sign} and {more:,} more"


def _value(value: str | None) -> str:
    return "not set" if value is None else printable(value) or "empty"
