"""What pages show over time: the last days of each instance, and how destinations fill up. From rows only."""
