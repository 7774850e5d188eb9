"""Sizes as people read them, everywhere the same."""

UNITS = tuple(enumerate(("kB", "MB", "GB", "TB", "PB", "EB"), start=1))


def human_size(count: int | None) -> str:
    """Return `count` bytes in decimal (SI) units with two or three digits; a dash for None."""
    if count is None:
        return "-"
    if count < 1000:
        return f"{count} B"
    value, unit = next((count / 1000**power, unit) for power, unit in UNITS if count < 999.5 * 1000**power)
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
