"""The storage class for `az` DSNs: django-storage-url's own, with endpoint, prefix, signed URLs."""

from functools import lru_cache
from typing import Any

import furl
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobPrefix, BlobServiceClient, ContainerClient
from django.core.exceptions import ImproperlyConfigured
from django_storage_url.backends import az

from . import dsn, uploads

HEALTH_NAME = ".health"
HOUR = 3600
ANSWERS_OF_A_GOOD_KEY = {"BlobNotFound"}


class AzureStorage(az.AzureStorage):
    """Serve the stock grammar unchanged, and what `cloud.dsn` adds to it."""

    # Keys come from the DSN alone, never mixed with those of the machine.
    connection_string = None
    token_credential = None

    def __init__(self, url: furl.furl) -> None:
        endpoint = dsn.endpoint_of(url)
        super().__init__(url)
        self.connection_string = self.token_credential = None
        self.endpoint = str(endpoint).rstrip("/") if endpoint else ""
        self.location = dsn.prefix_of(url)
        self.cache_control = url.args.get("cache_control")
        self.signed = dsn.is_signed(url)
        self.expiration_secs = (dsn.seconds_of(url) or HOUR) if self.signed else None
        if self.signed and not self.account_key:
            raise ImproperlyConfigured(
                "the DSN asks for signed URLs, which need the account's key, not a signature"
            )
        if "url" not in url.args:
            self.base_url = dsn.media_url(url)

    def _get_service_client(self) -> BlobServiceClient:
        address = self.endpoint or self._address_of_azure()
        return BlobServiceClient(address, credential=self._credential(), **self.client_options)

    def _address_of_azure(self) -> str:
        return f"{self.azure_protocol}://{self.account_name}.blob.{self.endpoint_suffix}"

    def _credential(self) -> Any:
        if self.account_key:
            return {"account_name": self.account_name, "account_key": self.account_key}
        return self.sas_token

    def url(self, name: str, expire: int | None = None, reset_query: bool | None = None) -> str:
        """Return the address of a file: signed where the DSN says so, else without a query."""
        return super().url(name, expire, not self.signed if reset_query is None else reset_query)

    def get_object_parameters(self, name: str) -> dict[str, Any]:
        """Return what is stored with the file; HTML and SVG are handed over, never shown."""
        found = uploads.stored_headers(name)
        headers = {"content_type": found["ContentType"]}
        if "ContentDisposition" in found:
            headers["content_disposition"] = found["ContentDisposition"]
        return {**super().get_object_parameters(name), **headers}

    def listdir(self, path: str = "") -> tuple[list[str], list[str]]:
        """Return the names of folders and files directly under a path, as other storages do."""
        start = "/".join(part for part in (self.location, path.strip("/")) if part)
        start = f"{start}/" if start else ""
        folders, files = [], []
        for found in self.client.walk_blobs(name_starts_with=start, delimiter="/"):
            kind = folders if isinstance(found, BlobPrefix) else files
            kind.append(found.name.removeprefix(start).rstrip("/"))
        return folders, files

    def probe(self) -> None:
        """Ask for one blob. Raise where the container is not there or the key is refused."""
        try:
            name = self._get_valid_path(f"{HEALTH_NAME}/x")
            _probe_client(self).download_blob(name, offset=0, length=1).readall()
        except HttpResponseError as error:
            if error.error_code not in ANSWERS_OF_A_GOOD_KEY:
                raise


@lru_cache(maxsize=4)
def _probe_client(storage: AzureStorage) -> ContainerClient:
    impatient = {"connection_timeout": 2, "read_timeout": 3, "retry_total": 0}
    service = BlobServiceClient(
        storage.endpoint or storage._address_of_azure(),
        credential=storage._credential(), **impatient,
    )  # fmt: skip
    return service.get_container_client(storage.azure_container)
