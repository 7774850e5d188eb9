"""A folder on an FTP server, with TLS or without."""

from destinations.backends.ftp.destination import FtpDestination

__all__ = ["FtpDestination"]
