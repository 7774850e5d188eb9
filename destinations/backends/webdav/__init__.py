"""A folder on a WebDAV server."""

from destinations.backends.webdav.destination import WebdavDestination

__all__ = ["WebdavDestination"]
