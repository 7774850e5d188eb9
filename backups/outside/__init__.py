"""The watch from outside: what is told without the site's rows, worker or pages. Uses no model and no database."""
