"""Prove an `az` DSN by using it, and by trying what must be refused."""

import uuid
from datetime import UTC, datetime, timedelta

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobSasPermissions, ContainerClient, generate_blob_sas

from slipway.dsn import AzDsn
from slipway.errors import StorageError
from slipway.storage.azure_client import site_service
from slipway.storage.reading import FOLDER, patiently, read_back, refused

SIGNED_FOR = timedelta(minutes=5)
REFUSED = {401, 403, 404}


def prove(used: AzDsn) -> None:
    """Write a blob, read it back as the public does, try a listing, and delete it.

    Raises StorageError or what the library raises.
    """
    container = site_service(used).get_container_client(used.container)
    name = f"{FOLDER}/{uuid.uuid4().hex} é+%.txt"
    blob = container.get_blob_client(f"{used.prefix}/{name}" if used.prefix else name)
    body = uuid.uuid4().bytes
    patiently(lambda: blob.upload_blob(body, overwrite=True), HttpResponseError)
    try:
        if used.public:
            read_back(used.url_of(name), body)
        else:
            read_back(f"{used.url_of(name)}?{_signature(used, blob.blob_name)}", body)
            refused(used.url_of(name), "a blob of a private container is public", REFUSED)
        listing = f"{used.root}?restype=container&comp=list"
        refused(listing, "anybody may list the container", REFUSED)
        if used.is_sas:
            _refused_to_the_key(container)
    finally:
        blob.delete_blob()


def _signature(used: AzDsn, name: str) -> str:
    return generate_blob_sas(
        used.account, used.container, name,
        account_key=used.key.reveal(), permission=BlobSasPermissions(read=True),
        expiry=datetime.now(UTC) + SIGNED_FOR,
    )  # fmt: skip


def _refused_to_the_key(container: ContainerClient) -> None:
    """Try what only the account may."""
    try:
        container.get_container_access_policy()
    except HttpResponseError as error:
        if error.status_code in REFUSED:
            return
        raise
    raise StorageError("storage", "the site's key may administer its container", "check its policy")
