"""The worker: supervises the processes of django-q2, runs queued runs in child processes, and runs the tick."""
