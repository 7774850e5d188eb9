"""Queues of waiting runs: their workers, reservation, ownership, slots and deduplication."""
