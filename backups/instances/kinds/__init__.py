"""The registry of the kinds of service, and the components of an instance of any kind."""

from collections.abc import Mapping
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from backups.archive.manifest.document import Manifest
from backups.archive.manifest.entry import FOREIGN_COMPONENTS
from backups.components import Component, require_outside_site_paths
from backups.errors import ComponentError
from backups.instances.kinds.backupsite.kind import BackupSite
from backups.instances.kinds.base import ServiceKind
from backups.instances.kinds.generic import GenericService
from backups.instances.kinds.layers import Configuration
from backups.instances.kinds.tacacs.kind import TacacsServer
from backups.lib.site_paths import SitePaths

__all__ = ["KINDS", "components_at", "components_of", "kind_of", "register"]

KINDS: dict[str, type[ServiceKind]] = {}


def register(kind: type[ServiceKind]) -> None:
    """Add a kind of service, in the `ready` of an AppConfig. Raises ImproperlyConfigured when its name is taken."""
    other = KINDS.setdefault(kind.kind, kind)
    if other is not kind:
        raise ImproperlyConfigured(
            f"Two kinds of service are called {kind.kind!r}: "
            f"{other.__module__}.{other.__qualname__} and {kind.__module__}.{kind.__qualname__}."
        )
    FOREIGN_COMPONENTS.update(kind.foreign_components)


register(TacacsServer)
register(GenericService)
register(BackupSite)


def kind_of(manifest: Manifest) -> type[ServiceKind] | None:
    """Return the kind of service that the archive is of; None when it is unknown or not registered."""
    return next((kind for kind in KINDS.values() if kind.recognises(manifest)), None)


def components_of(
    service: ServiceKind, configuration: Configuration | None = None, *, own: SitePaths
) -> list[Component]:
    """Return the components of `service` in the order of their export, without the site's `own` paths in them.

    `configuration` names their files; by default it is the live one. Raises ComponentError when that cannot be read, or
    when a component lies outside of the root or in one of those paths, unless the service is this site itself.
    """
    named = service.live().merged if configuration is None else configuration
    if service.is_this_site:
        return service.components(named, own)
    return [require_outside_site_paths(component, own) for component in service.components(named, own)]


def components_at(service: ServiceKind, paths: Mapping[str, str], *, own: SitePaths) -> list[Component]:
    """Return the components of `service` at `paths`, which an earlier restore recorded, whatever is configured now.

    Raises ComponentError for one that the instance no longer has, or that lies outside of the root or in one of the
    site's `own` paths.
    """
    found = []
    for name, path in paths.items():
        component = service.component_at(name, service.root.require(Path(path)), own)
        if component is None:
            raise ComponentError(
                f"Instance {service.name} has no component {name} any more.",
                hint="Describe it again in the instances file.",
            )
        found.append(require_outside_site_paths(component, own))
    return found
