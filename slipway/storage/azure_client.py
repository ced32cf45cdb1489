"""Open clients of Azure Blob Storage, and turn their errors into one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.storage.blob import BlobServiceClient, LinearRetry

from slipway.dsn import AzDsn
from slipway.errors import StorageError
from slipway.secrets import Secret
from slipway.settings.storage import Storage

HINTS = {
    "AuthenticationFailed": "check the account's key, and this machine's clock",
    "AuthorizationFailure": "check the account's key, and this machine's clock",
    "InvalidAuthenticationInfo": "check the account's key",
    "PublicAccessNotPermitted": "allow public access in the account, or set public = false",
    "InvalidResourceName": "choose another storage.bucket",
    "ContainerBeingDeleted": "wait some minutes, then run it again",
    "AccountIsDisabled": "the account is switched off",
}


def _patience() -> dict[str, Any]:
    # By itself the library waits a quarter of a minute before it tries again. A policy is a link
    # in its client's chain: one that two clients share leads both to the credential of the second.
    retry = LinearRetry(backoff=1, retry_total=1, random_jitter_range=0)
    return {"connection_timeout": 3, "read_timeout": 20, "retry_policy": retry}


def service(account: str, key: Secret, endpoint: str) -> BlobServiceClient:
    """Open a client with the account's key."""
    credential = {"account_name": account, "account_key": key.reveal()}
    try:
        return BlobServiceClient(endpoint, credential=credential, **_patience())
    except ValueError as error:
        raise StorageError("storage", str(error), "check the account's key") from None


def site_service(used: AzDsn) -> BlobServiceClient:
    """Open a client with the credential of a DSN, and nothing from the environment."""
    if not used.is_sas:
        return service(used.account, used.key, used.api)
    return BlobServiceClient(used.api, credential=used.key.reveal(), **_patience())


def unsupported(storage: Storage) -> list[str]:
    """Return what is wanted and belongs to the account on Azure, not to a container; one a line."""
    said = []
    if storage.versioning:
        said.append(
            "versions and soft deletion are settings of the whole account on Azure: switch them "
            "on there, or set versioning = false"
        )
    if storage.tags:
        said.append("a container has no tags on Azure")
    if storage.prefix:
        said.append("a signature opens the whole container on Azure, not one prefix of it")
    return said


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn what the library raises into StorageError."""
    try:
        yield
    except (ServiceRequestError, ServiceResponseError):
        raise StorageError(
            where, "does not answer", "check storage.endpoint and the network"
        ) from None
    except HttpResponseError as error:
        code = getattr(error, "error_code", None) or error.status_code or "error"
        code = str(getattr(code, "value", code))
        hint = HINTS.get(code, "see the account's log")
        raise StorageError(where, f"the request was refused: {code}", hint) from None
    except AzureError as error:
        raise StorageError(where, str(error).splitlines()[0], "check [storage]") from None
    except ValueError as error:
        # A key that is no base64.
        raise StorageError(where, str(error), "check the account's key") from None
