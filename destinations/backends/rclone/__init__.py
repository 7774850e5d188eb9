"""Any remote of the program rclone."""

from destinations.backends.rclone.destination import RcloneDestination

__all__ = ["RcloneDestination"]
