"""A folder on an SSH server, reached by SFTP."""

from destinations.backends.sftp.destination import SftpDestination

__all__ = ["SftpDestination"]
