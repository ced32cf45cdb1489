from django.apps import AppConfig
from django.conf import settings
from django.core.checks import register

from .checks import ALL
from .health import MIDDLEWARE as HEALTH
from .uploads import MIDDLEWARE as UPLOADS


class CloudConfig(AppConfig):
    """Add what a project need not write down itself: checks, health endpoint, safe uploads."""

    name = "cloud"

    def ready(self) -> None:
        for check in ALL:
            register(check)
        missing = [name for name in (HEALTH, UPLOADS) if name not in settings.MIDDLEWARE]
        settings.MIDDLEWARE = [*missing, *settings.MIDDLEWARE]
