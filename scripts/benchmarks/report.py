"""Markdown: tables, and targets that were reached or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.measure import MEBIBYTE, Sample

HEADINGS = ("", "wall s", "CPU s", "peak MiB", "output MB")


@dataclass(frozen=True, slots=True)
class Target:
    """What was wanted, and what was found; both in `unit`, and smaller is better."""

    text: str
    found: float
    limit: float
    unit: str = ""

    @property
    def reached(self) -> bool:
        return self.found <= self.limit

    def __str__(self) -> str:
        verdict = "reached" if self.reached else "**not reached**"
        return f"{self.text}: at most {self.limit:g}{self.unit}, found {self.found:.3g}{self.unit}, {verdict}"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (headings, rule, *rows))


def comparison(samples: Mapping[str, Sample], reference: str) -> str:
    """Return a row per contestant, with its wall and processor time as a ratio to those of `reference`."""
    base = samples[reference]
    rows = [
        [*measured(name, sample), f"{sample.wall / base.wall:.2f}x", f"{sample.cpu / base.cpu:.2f}x"]
        for name, sample in samples.items()
    ]
    return table([*HEADINGS, "wall ratio", "CPU ratio"], rows)


def measured(name: str, sample: Sample) -> list[str]:
    """Return the cells under HEADINGS."""
    made = f"{sample.output_bytes / 1e6:.1f}" if sample.output_bytes else "-"
    return [name, f"{sample.wall:.2f}", f"{sample.cpu:.2f}", f"{sample.peak_bytes / MEBIBYTE:.0f}", made]
