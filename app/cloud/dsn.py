"""What a storage DSN says, where the grammar of django-storage-url is extended.

The additions, for `s3://KEY:SECRET@BUCKET.HOST[:PORT]/[PREFIX/]?…`:

  endpoint=URL           the server, with its scheme and port; HOST must be the server's
  addressing_style=path  (with `endpoint`, the default) or virtual
  acl=none               send no ACL (with `endpoint`, the default)
  checksum=off           send and expect checksums only where the protocol demands them

for `az://ACCOUNT:CREDENTIAL@HOST/CONTAINER/?…`:

  endpoint=URL           the account's address, with scheme, port and path (Azurite)
  qs_auth=true           URLs are signed; CREDENTIAL must be the account's key

and for both:

  prefix=TEXT            folder in the bucket, quoted, where the path cannot hold it
  cache_control=TEXT     what readers are told about each file
  expire=SECONDS         how long a signed URL is good
"""

from urllib.parse import quote

import furl
from django.core.exceptions import ImproperlyConfigured

CLOUD_SCHEMES = {"s3", "az"}


def parse(dsn: str) -> furl.furl:
    """Parse a DSN. Raise ImproperlyConfigured, without quoting it, when it cannot be read."""
    try:
        url = furl.furl(dsn)
    except ValueError:
        # The parser's own message quotes a part of the secret.
        raise ImproperlyConfigured(
            "the DSN cannot be read; quote user and password by urllib.parse.quote(…, safe='')"
        ) from None
    if not url.scheme:
        raise ImproperlyConfigured(
            "the DSN has no scheme; it must begin with s3://, az:// or file:///"
        )
    return url


def endpoint_of(url: furl.furl) -> furl.furl | None:
    """Return the server that the DSN names by `endpoint`, None where it names none."""
    if "endpoint" not in url.args:
        return None
    endpoint = parse(url.args["endpoint"])
    if endpoint.scheme not in {"http", "https"} or not endpoint.host:
        raise ImproperlyConfigured("the DSN's endpoint must be a quoted http:// or https:// URL")
    return endpoint


def prefix_of(url: furl.furl) -> str:
    """Return the folder in the bucket, without a slash at either end."""
    path = "" if url.scheme == "az" else str(url.path)
    return (url.args.get("prefix") or path).strip("/")


def seconds_of(url: furl.furl) -> int | None:
    """Return how long a signed URL is good, None where the DSN does not say."""
    text = url.args.get("expire")
    if text is None:
        return None
    if not text.isdecimal():
        raise ImproperlyConfigured("the DSN's expire must be a number of seconds")
    return int(text)


def is_signed(url: furl.furl) -> bool:
    """Return whether the DSN asks for signed URLs."""
    return str(url.args.get("qs_auth")).lower() in {"1", "true", "yes", "on"}


def bucket_of(url: furl.furl, endpoint: furl.furl) -> str:
    """Return the bucket: what stands before the endpoint's host in the DSN's host."""
    bucket = url.host.removesuffix(f".{endpoint.host}")
    if bucket == url.host or not bucket or url.port not in {None, endpoint.port}:
        raise ImproperlyConfigured(
            f"the DSN's host must be the bucket, a dot and the endpoint's {endpoint.netloc}"
        )
    return bucket


def addressing_style(url: furl.furl) -> str:
    """Return how the bucket is named to the endpoint's server: path or virtual."""
    return "virtual" if url.args.get("addressing_style") == "virtual" else "path"


def public_root(url: furl.furl) -> str:
    """Return scheme, host and bucket under which objects are served, without a prefix."""
    endpoint = endpoint_of(url)
    if url.scheme == "az":
        account = str(endpoint) if endpoint else f"https://{url.username}.{url.host}"
        return f"{account.rstrip('/')}/{str(url.path).strip('/')}"
    if endpoint is None:
        return f"https://{url.host}"
    bucket = bucket_of(url, endpoint)
    if addressing_style(url) == "virtual":
        return f"{endpoint.scheme}://{bucket}.{endpoint.netloc}"
    return f"{endpoint.scheme}://{endpoint.netloc}/{bucket}"


def media_url(url: furl.furl) -> str:
    """Return the URL under which the files of the DSN are found, with a slash at its end."""
    if url.scheme == "file" or "url" in url.args:
        return url.args.get("url") or ""
    root = public_root(url)
    if "domain" in url.args:
        container = f"/{str(url.path).strip('/')}" if url.scheme == "az" else ""
        root = f"https://{url.args['domain']}{container}"
    return f"{root}/{quote(prefix_of(url))}".rstrip("/") + "/"
