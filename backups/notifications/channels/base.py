"""The interface of a kind of channel. A new kind is one subclass of `Channel` in one file."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from backups.notifications.message import Message, Progress
from destinations.backends.base.typed_options import TypedOptions

# for one message to one recipient, from the connection to the answer
SECONDS = 15.0


class Channel(TypedOptions):
    """An open channel. `options` are in plain text, secrets too."""

    noun = "channel"
    # False for a kind that gets no messages, but signals of runs
    takes_messages: ClassVar[bool] = True

    def __init__(self, options: Mapping[str, object]) -> None:
        self.options = options

    @abstractmethod
    def recipient(self) -> str:
        """Return where messages go, for people; without secrets."""

    @abstractmethod
    def send(self, message: Message, progress: Progress) -> None:
        """Send `message` to everybody who is not in `progress`, and add who got it. Raises `NotDelivered`.

        Where some got it and others did not, the error names the others.
        """
