"""Count and delete what an environment has in its bucket: objects, versions, uploads."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from slipway.errors import StorageError
from slipway.settings.storage import Storage
from slipway.storage.reading import FOLDER
from slipway.storage.s3_client import UNSUPPORTED, Api, absent, code_of

PAGE = 1000


def count(s3: Api, storage: Storage) -> int:
    """Count the objects under the prefix, also those of which only old versions are left.

    Up to 1,000.
    """
    place: dict[str, Any] = {"Bucket": storage.bucket, "Prefix": storage.folder, "MaxKeys": PAGE}
    # Some servers list no versions where they keep none.
    listed = absent(s3.list_objects_v2, **place) or {}
    keys = {one["Key"] for one in listed.get("Contents", [])}
    try:
        found = absent(s3.list_object_versions, **place) or {}
    except ClientError as error:
        if code_of(error) not in UNSUPPORTED:
            raise
        found = {}
    # What a thousand marks of deletion hide is not nothing; what proofs have left is.
    if found.get("IsTruncated"):
        return PAGE
    keys |= {one["Key"] for one in found.get("Versions", [])}
    return sum(not key.startswith(f"{storage.folder}{FOLDER}/") for key in keys)


def empty(s3: Api, storage: Storage) -> None:
    """Delete all that is under the prefix; raises StorageError where something stays."""
    place: dict[str, Any] = {"Bucket": storage.bucket, "Prefix": storage.folder}
    for upload in list(_uploads(s3, place)):
        absent(
            s3.abort_multipart_upload,
            Bucket=storage.bucket, Key=upload["Key"], UploadId=upload["UploadId"],
        )  # fmt: skip
    for page in _pages(s3, place):
        _delete(s3, storage.bucket, page)


def _uploads(s3: Api, place: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for page in s3.get_paginator("list_multipart_uploads").paginate(**place):
        yield from page.get("Uploads", [])


def _pages(s3: Api, place: dict[str, Any]) -> Iterator[list[dict[str, str]]]:
    try:
        # Each page is asked for anew: the one before is gone by then.
        while True:
            found = s3.list_object_versions(**place, MaxKeys=PAGE)
            versions = [*found.get("Versions", []), *found.get("DeleteMarkers", [])]
            if not versions:
                break
            yield [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in versions]
    except ClientError as error:
        if code_of(error) not in UNSUPPORTED:
            raise
    while True:
        found = s3.list_objects_v2(**place, MaxKeys=PAGE)
        if not found.get("Contents"):
            return
        yield [{"Key": one["Key"]} for one in found["Contents"]]


def _delete(s3: Api, bucket: str, page: list[dict[str, str]]) -> None:
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": page, "Quiet": True})
    for failed in answer.get("Errors", []):
        what = f"{failed.get('Key')} cannot be deleted: {failed.get('Code')}"
        raise StorageError(f"bucket {bucket}", what, "check object lock and the key's rights")
