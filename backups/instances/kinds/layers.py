"""Configurations in layers: each layer lays its keys over those of the layers below it."""

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
# a part of it that can be restored alone: "section:NAME", or the name of a layer
SECTION = "section:"


def merged(layers: Layers) -> dict[str, dict[str, str]]:
    """Return the configuration that `layers` amount to."""
    result: dict[str, dict[str, str]] = {}
    for configuration in layers.values():
        for section, values in configuration.items():
            result.setdefault(section, {}).update(values)
    return result


def configuration_hash(configuration: Configuration) -> str:
    """Return the SHA-256 of the JSON with sorted keys and no spaces, as the TACACS+ server itself records it."""
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
    """Return ``[section] key`` of each value that carries bytes that are no UTF-8."""
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
