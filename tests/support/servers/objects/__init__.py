"""Emulators of object stores."""
