"""What a run is, whatever it does: claimed, watched, settled, and ended after a crash."""
