"""The only package that imports django_q. It carries messages with ids of runs; the rows hold their state.

enqueue     sends a message to a worker
scheduler   writes the rows of django-q2's scheduler
cluster     starts and ends the processes of django-q2
results     redacts what django-q2 stores of a failed message
"""
