"""The key of a server that nothing vouches for yet: fetched, and pinned when a person has accepted it."""

from collections.abc import Mapping

from destinations.backends.base import Destination
from destinations.exceptions import PeerNotTrusted


def with_accepted_pin(
    backend: type[Destination], config: Mapping[str, object], accepted: str, *, how: str
) -> dict[str, object]:
    """Return `config`, where it lacks the key of the server with the one that has the fingerprint `accepted`.

    `how` is the sentence that says how a fingerprint is accepted. Raises `PeerNotTrusted` for any other key, and
    `DestinationError` when the server cannot be asked.
    """
    if not backend.lacks_pin(config):
        return dict(config)
    key = backend.fetch_peer_key(config)
    if key.fingerprint == accepted:
        return {**config, backend.pinned_option: key.value}
    shown = f"The server shows the key {key.kind} {key.fingerprint}"
    raise PeerNotTrusted(
        f"{shown}, and not the accepted {accepted}." if accepted else f"{shown}, which is not pinned yet.",
        # the name of the option in front of its value would be redacted as if it were a secret
        "Compare the fingerprint with what whoever runs the server says, such as `ssh-keygen -lf` there. "
        f"{how} Or give the public line {key.value!r} as the option {backend.pinned_option!r}.",
    )
