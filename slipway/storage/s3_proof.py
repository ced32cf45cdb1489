"""Prove a DSN by using it, and by trying what must be refused."""

import uuid
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from slipway.dsn import S3Dsn
from slipway.errors import StorageError
from slipway.storage.reading import FOLDER, REFUSED, patiently, read_back, refused
from slipway.storage.s3_client import code_of

DENIED = {"AccessDenied", "AllAccessDisabled", "Forbidden", "Unauthorized", "401", "403"}


def prove(used: S3Dsn, s3: Any, *, own: bool = True) -> None:
    """Write an object, read it back as the public does, try a listing, and delete it.

    `s3` is a boto3 client with the DSN's key; with `own` false that was made by hand, and what it
    may do beyond its bucket is the maker's business. A new key may take some seconds to be known
    everywhere: waits up to PATIENCE seconds. Raises StorageError or ClientError.
    """
    name = f"{FOLDER}/{uuid.uuid4().hex} é+%.txt"
    place = {"Bucket": used.bucket, "Key": f"{used.prefix}/{name}" if used.prefix else name}
    body = uuid.uuid4().bytes
    said = {"ContentType": "text/plain"}
    said |= {"ACL": used.public_acl} if used.public_acl else {}
    patiently(lambda: s3.put_object(**place, **said, Body=body), ClientError)
    try:
        if used.public:
            read_back(used.url_of(name), body)
        else:
            read_back(s3.generate_presigned_url("get_object", Params=place), body)
            refused(used.url_of(name), "an object of a private bucket is public")
        refused(f"{used.api}/{used.bucket}?list-type=2", "anybody may list the bucket")
        if own:
            _refused_to_the_key(s3, used)
    finally:
        s3.delete_object(**place)


def _refused_to_the_key(s3: Any, used: S3Dsn) -> None:
    """Try what only an administrator may; no server can take the policy that is put."""
    tries: tuple[Callable[[], object], ...] = (
        lambda: s3.get_bucket_policy(Bucket=used.bucket),
        lambda: s3.put_bucket_policy(Bucket=used.bucket, Policy="-"),
    )
    for attempt in tries:
        try:
            attempt()
        except ClientError as error:
            if _denied(error):
                continue
            # Any other answer, such as that there is no policy, is one that only rights get.
            if 400 <= _status(error) < 500:
                raise _too_mighty() from None
            raise
        raise _too_mighty()


def _too_mighty() -> StorageError:
    return StorageError(
        "storage", "the site's key may administer its bucket", "remove other rights of its user"
    )


def _denied(error: ClientError) -> bool:
    return code_of(error) in DENIED or _status(error) in REFUSED


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
