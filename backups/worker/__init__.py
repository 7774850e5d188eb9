"""The process that an operator starts on each host: it keeps django-q2's processes, and ends with all of them."""
