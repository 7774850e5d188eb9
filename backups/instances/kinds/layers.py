"""Configurations in layers: the keys of each layer override those of the layers below it."""

import hashlib
import json
from collections.abc import Collection, Mapping

from backups.archive.manifest.names import EXPORT_NAME
from backups.errors import BackupError, ComponentError, DamagedComponent
from destinations.lib.formats import as_text, is_text

Section = Mapping[str, str]
Configuration = Mapping[str, Section]
# by name, the lowest layer first
Layers = Mapping[str, Configuration]

# the component that holds the configuration, in each kind of service that has one
CONFIG = "config"
# prefix of a section among the parts of a restore; the other parts are names of layers
SECTION = "section:"


class Merged(dict[str, dict[str, str]]):
    """A merged configuration that knows which of its keys a layer sets, by section and key."""

    def __init__(self) -> None:
        super().__init__()
        self.set_by_layers: set[tuple[str, str]] = set()


def merged(layers: Layers, *, below: Configuration | None = None) -> Merged:
    """Return the merged configuration of `layers` above the values that are `below` all of them."""
    result = Merged()
    lowest, *higher = layers.values() or [{}]
    # in the order in which the TACACS+ server merges: the lowest layer, what that does not set, the other layers
    for configuration in (lowest, below or {}, *higher):
        for section, values in configuration.items():
            keys = result.setdefault(section, {})
            if configuration is below:
                keys.update({key: value for key, value in values.items() if key not in keys})
            else:
                keys.update(values)
                result.set_by_layers.update((section, key) for key in values)
    return result


def configuration_hash(configuration: Configuration) -> str:
    """Return the SHA-256 of the JSON with sorted keys and no spaces, the hash that the TACACS+ server records."""
    canonical = json.dumps(configuration, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def exported_json(configuration: Configuration) -> bytes:
    return json.dumps(configuration, indent=2).encode()


def parse_export(data: bytes) -> dict[str, dict[str, str]]:
    """Read what `exported_json` or a service wrote. Raises DamagedComponent."""
    try:
        sections = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedComponent(f"The {EXPORT_NAME} in the archive is not valid JSON.") from error
    if not isinstance(sections, dict) or not all(isinstance(values, dict) for values in sections.values()):
        raise DamagedComponent(f"The {EXPORT_NAME} in the archive holds no sections with keys.")
    return {
        as_text(section): {
            as_text(key): value if isinstance(value, str) else json.dumps(value) for key, value in values.items()
        }
        for section, values in sections.items()
    }


def undecodable(configuration: Configuration) -> list[str]:
    """Return ``[section] key`` of each value with bytes that are not UTF-8."""
    return [
        f"[{section}] {key}"
        for section, values in configuration.items()
        for key, value in values.items()
        if not is_text(value)
    ]


def sections_of(parts: Collection[str]) -> list[str]:
    return [part.removeprefix(SECTION) for part in parts if part.startswith(SECTION)]


def require_section(section: str, known: Collection[str]) -> None:
    if section not in known:
        raise BackupError(f"The archive has no section [{section}].", hint=f"It has: {', '.join(known)}.")


def is_url(config: str) -> bool:
    return config.startswith(("https://", "http://"))


def not_from_url(instance: str, layer: str) -> BackupError:
    return BackupError(
        f"The configuration of {instance} comes from a URL, so {CONFIG}.{layer} cannot be restored.",
        hint="Change it where it is served.",
    )


def no_configuration() -> ComponentError:
    return ComponentError("The archive holds no configuration.", hint=f"Leave {CONFIG} out of the restore.")
