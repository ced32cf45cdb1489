"""Open boto3 clients with explicit credentials, and turn their errors into one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from slipway.dsn import S3Dsn
from slipway.errors import StorageError
from slipway.settings.storage import Storage

ABSENT = {
    "404", "NoSuchBucket", "NoSuchBucketPolicy", "NoSuchCORSConfiguration", "NoSuchEntity",
    "NoSuchPublicAccessBlockConfiguration", "NoSuchLifecycleConfiguration", "NoSuchTagSet",
    "NoSuchTagSetError", "ServerSideEncryptionConfigurationNotFoundError",
    "OwnershipControlsNotFoundError", "NoSuchUpload",
}  # fmt: skip
UNSUPPORTED = {"NotImplemented", "MethodNotAllowed", "XNotImplemented", "501", "405"}
# What servers without users answer to a question of IAM, which looks like a form to them.
NO_IAM = {"NoSuchBucket", "InvalidAction", "InvalidArgument", "AccessDenied", "404", "400",
          "MalformedXML", "PreconditionFailed", "InvalidRequest", "Unknown", "error"}  # fmt: skip
HINTS = {
    "InvalidAccessKeyId": "check the administrator's key",
    "SignatureDoesNotMatch": "check the administrator's secret",
    "AccessDenied": "the administrator's key needs the rights named in docs/rights.md",
    "403": "the bucket may belong to somebody else, or the key lacks rights",
    "BucketAlreadyExists": "somebody else owns that name: choose another storage.bucket",
    "LimitExceeded": "copy env/<name>.env from a colleague, or delete one of the user's keys",
    "RequestTimeTooSkewed": "set this machine's clock",
    "InvalidBucketName": "choose another storage.bucket",
    "RequestExpired": "set this machine's clock",
}
NOT_OURS = "the bucket belongs to somebody else, or the administrator's key may not list it"
Api = Any


def client(storage: Storage, service: str) -> Api:
    """Open a client with the administrator's credentials, from the usual chain of AWS.

    Raises StorageError where there are none.
    """
    session, _ = _session(storage, storage.profile)
    return _open(session, service, storage.endpoint, storage.region)


def credentials(storage: Storage, profile: str) -> Any:
    """Return the credentials of a profile, with access_key and secret_key; raises StorageError."""
    return _session(storage, profile)[1].get_frozen_credentials()


def _session(storage: Storage, profile: str) -> tuple[boto3.Session, Any]:
    core = botocore.session.Session(profile=profile or None)
    if storage.credentials_file:
        core.set_config_variable("credentials_file", str(storage.credentials_file))
    try:
        session = boto3.Session(botocore_session=core)
        found = session.get_credentials()
    except (ProfileNotFound, PartialCredentialsError) as error:
        raise StorageError("storage", str(error), "check storage.profile") from None
    if found is None:
        raise _no_credentials(storage)
    return session, found


def unsupported(storage: Storage) -> dict[str, str]:
    """Return the parts that are wanted and not on every server, with what their lack means."""
    wanted = {"public access block": "a public policy that somebody puts is not stopped"}
    wanted["cors"] = "scripts of the site's pages cannot read files"
    if storage.public:
        wanted["policy"] = "objects are public only by ACLs, which the site's DSN must send"
    if storage.versioning:
        wanted["versioning"] = "what is overwritten or deleted is lost at once"
    if storage.versions_days or storage.uploads_days:
        wanted["lifecycle"] = "old versions and unfinished uploads are not cleared away"
    if storage.encryption:
        wanted["encryption"] = "objects are stored as the server does by itself"
    if storage.tags:
        wanted["tags"] = "the bucket gets none"
    return wanted


def app_client(used: S3Dsn) -> Api:
    """Open an S3 client with the key of a DSN, and nothing from the environment."""
    session = boto3.Session(
        aws_access_key_id=used.key,
        aws_secret_access_key=used.secret.reveal(),
        region_name=used.region,
    )
    return _open(session, "s3", used.endpoint, used.region)


def absent(call: Any, **arguments: Any) -> Any:
    """Call, and return None where the server says that there is no such thing."""
    try:
        return call(**arguments)
    except ClientError as error:
        if code_of(error) in ABSENT:
            return None
        raise


def code_of(error: ClientError) -> str:
    """Return the server's own code for an error."""
    return str(error.response.get("Error", {}).get("Code", "error"))


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn what boto3 raises into StorageError."""
    try:
        yield
    except NoCredentialsError:
        raise StorageError(where, "there are no credentials", "set AWS_PROFILE") from None
    except ClientError as error:
        code = code_of(error)
        what = f"{error.operation_name} was refused: {code}"
        first = error.operation_name == "ListObjectsV2" and code == "AccessDenied"
        hint = NOT_OURS if first else HINTS.get(code, "see the server's log")
        raise StorageError(where, what, hint) from None
    except (ConnectionError, HTTPClientError):
        raise StorageError(
            where, "does not answer", "check storage.endpoint and the network"
        ) from None
    except BotoCoreError as error:
        raise StorageError(where, str(error), "check [storage]") from None


def _open(session: boto3.Session, service: str, endpoint: str, region: str) -> Api:
    config = Config(
        connect_timeout=3,
        read_timeout=20,
        retries={"mode": "standard", "max_attempts": 2},
        s3={"addressing_style": "path" if endpoint else "virtual"},
        request_checksum_calculation="when_required" if endpoint else "when_supported",
        response_checksum_validation="when_required",
    )
    return session.client(
        service,  # type: ignore[call-overload]
        endpoint_url=endpoint or None,
        region_name=region,
        config=config,
    )


def _no_credentials(storage: Storage) -> StorageError:
    if storage.credentials_file and not storage.credentials_file.is_file():
        where = str(storage.credentials_file.name)
        return StorageError(
            where, "the file with the administrator's key does not exist",
            "run 'invoke sandbox.up' for the sandbox, or set storage.credentials_file",
        )  # fmt: skip
    return StorageError(
        "storage", "there are no credentials of an administrator",
        "set AWS_PROFILE, or storage.profile in env/<name>.toml",
    )  # fmt: skip
