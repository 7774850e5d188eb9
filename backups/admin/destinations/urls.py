"""The URLs of the pages about one destination."""

from backups.admin.destinations.catalogue import catalogue, undelete
from backups.admin.destinations.retention import confirm_rule, prune, retention
from backups.admin.shared.views import moved, site_path

PAGE = "destinations_backupdestination"
urls = [
    *(
        site_path(
            f"destinations/backupdestination/<str:destination_id>/{view.__name__}/", view, f"{PAGE}_{view.__name__}"
        )
        for view in (retention, prune, confirm_rule, catalogue, undelete)
    ),
    # where they were before; what took only a POST has no page to lead to but that of its button
    *(
        site_path(f"backups/backupexecution/{old}/<str:destination_id>/", moved(f"{PAGE}_{new}"))
        for old, new in {
            "retention": "retention",
            "prune": "retention",
            "confirm_rule": "retention",
            "catalogue": "catalogue",
        }.items()
    ),
]
