from django.urls import path

from backups.endpoints.health import health_view
from backups.endpoints.metrics import metrics_view

urlpatterns = [
    path("health", health_view, name="health"),
    path("metrics", metrics_view, name="metrics"),
]
