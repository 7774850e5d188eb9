"""A folder of a Dropbox account."""

from destinations.backends.dropbox.destination import DropboxDestination

__all__ = ["DropboxDestination"]
