"""Detection of runs whose process is gone (liveness, heartbeats), and their recovery (reap)."""
