"""The only place that knows django-q2, which is our doorbell: a message says "look at row N", and the row is the truth.

messages    ringing for a worker
plan        the rows of its scheduler
cluster     its processes, as our worker needs them
results     what it keeps of a message that failed
"""
