from urllib.parse import urljoin

from django.apps import AppConfig
from django.db.models.fields.files import FieldFile


class ConferenceConfig(AppConfig):
    """Let pretalx, which expects files on the disk below its own address, use any storage."""

    name = "conference"

    def ready(self) -> None:
        from pretalx.submission.models import Resource

        FieldFile.path = property(lambda file: file.name)
        Resource.url = property(_address)


def _address(resource) -> str | None:
    from pretalx.common.urls import get_base_url

    if resource.link or not resource.resource:
        return resource.link
    return urljoin(get_base_url(resource.submission.event), resource.resource.url)
