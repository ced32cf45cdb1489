"""The storage class for `s3` DSNs: django-storage-url's own, and the servers it cannot reach."""

from functools import lru_cache
from http import HTTPStatus
from typing import Any

import furl
from botocore.config import Config
from botocore.exceptions import ClientError
from django_storage_url.backends import s3

from . import dsn, uploads

HEALTH_KEY = ".health"
# The key may lack the right to list: then the server hides whether an object exists.
ANSWERS_OF_A_GOOD_KEY = {"NoSuchKey", "AccessDenied"}


class S3Storage(s3.S3Storage):
    """Serve the stock grammar unchanged, and what `cloud.dsn` adds to it."""

    # Keys come from the DSN alone, never mixed with those of the machine.
    security_token = None
    session_profile = None

    def __init__(self, url: furl.furl) -> None:
        endpoint = dsn.endpoint_of(url)
        bucket = dsn.bucket_of(url, endpoint) if endpoint else None
        super().__init__(url)
        self.region_name = url.args.get("region_name") or self.region_name
        self._use_additions(url)
        if endpoint and bucket:
            self._use_endpoint(url, endpoint, bucket)
        if url.args.get("acl") == "none":
            self.object_parameters.pop("ACL")
        if url.args.get("checksum") == "off":
            self._configure(
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            )

    def _use_additions(self, url: furl.furl) -> None:
        self.querystring_expire = dsn.seconds_of(url) or self.querystring_expire
        if "cache_control" in url.args:
            self.object_parameters["CacheControl"] = url.args["cache_control"]
        if "prefix" in url.args:
            self.location = dsn.prefix_of(url)
            self.base_url = dsn.media_url(url)

    def _use_endpoint(self, url: furl.furl, endpoint: furl.furl, bucket: str) -> None:
        self.bucket_name = bucket
        self.endpoint_url = endpoint.origin
        self.use_ssl = endpoint.scheme == "https"
        self._configure(
            s3={"addressing_style": dsn.addressing_style(url)},
            signature_version=url.args.get("auth") or "s3v4",
        )
        if "acl" not in url.args:
            self.object_parameters.pop("ACL")
        if "url" in url.args or "domain" in url.args:
            return
        self.base_url = dsn.media_url(url)
        if not self.querystring_auth:
            self._serve_from(dsn.public_root(url))

    def _serve_from(self, root: str) -> None:
        scheme, _, self.custom_domain = root.partition("//")
        self.url_protocol = scheme

    def _configure(self, **options: Any) -> None:
        self.client_config = self.client_config.merge(Config(**options))

    def get_object_parameters(self, name: str) -> dict[str, Any]:
        """Return what is stored with the file; HTML and SVG are handed over, never shown."""
        return {**super().get_object_parameters(name), **uploads.stored_headers(name)}

    def exists(self, name: str) -> bool:
        """Return whether there is an object of this name."""
        try:
            return super().exists(name)
        except ClientError as error:
            # What a key that may not list is told of an object that is not there.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.FORBIDDEN:
                return False
            raise

    def probe(self) -> None:
        """Ask for one object. Raise where the bucket is not there or the key is refused."""
        try:
            key = self._normalize_name(HEALTH_KEY)
            _probe_client(self).get_object(Bucket=self.bucket_name, Key=key)["Body"].close()
        except ClientError as error:
            # GET, not HEAD: only its answer has a body, and so says why a key is refused.
            if error.response["Error"]["Code"] not in ANSWERS_OF_A_GOOD_KEY:
                raise


@lru_cache(maxsize=4)
def _probe_client(storage: S3Storage) -> Any:
    impatient = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 1})
    return storage._create_session().client(
        "s3",
        region_name=storage.region_name,
        use_ssl=storage.use_ssl,
        endpoint_url=storage.endpoint_url,
        config=storage.client_config.merge(impatient),
        verify=storage.verify,
    )
