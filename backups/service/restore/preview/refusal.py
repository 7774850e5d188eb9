"""A refusal that a preview foresees."""

from typing import Self

from destinations.lib.operator_error import sentences


class Refusal(str):
    """A sentence. `option` is what the command is given to restore all the same; pages have a box for it."""

    option: str

    def __new__(cls, text: str, *, option: str = "") -> Self:
        refusal = super().__new__(cls, text)
        refusal.option = option
        return refusal

    @property
    def of_command(self) -> str:
        return sentences(self, f"It needs {self.option}." if self.option else "")
