"""Open the storage that an environment's DSN names, with an implementation a scheme."""

from pathlib import PurePosixPath

from slipway import dsn, variables
from slipway.environment import Environment
from slipway.errors import StorageError
from slipway.objects.bucket import Bucket

DATA = PurePosixPath("/data")  # what a task sees of its host's disk


def bucket_of(environment: Environment) -> Bucket:
    """Open the storage of an environment; raises ConfigurationError or StorageError."""
    address = variables.storage(environment)
    # Each loads its own, since a push that sends nothing takes little longer than its imports.
    if isinstance(address, dsn.S3Dsn):
        from slipway.objects.s3 import S3Bucket

        return S3Bucket(address)
    if isinstance(address, dsn.AzDsn):
        from slipway.objects.azure import AzureBucket

        return AzureBucket(address)
    return _volume(environment, PurePosixPath(address.path))


def _volume(environment: Environment, path: PurePosixPath) -> Bucket:
    from slipway.objects.volume import Place, VolumeBucket

    where = f"env/{environment.name}.env: {variables.STORAGE}"
    if DATA not in path.parents or ".." in path.parts:
        what = f"names the folder {path}, which is not kept on the host"
        raise StorageError(where, what, "use file:///data/media/?url=%2Fmedia%2F")
    if len(environment.hosts) > 1:
        what = f"names a folder, and each of the {len(environment.hosts)} hosts has its own"
        raise StorageError(where, what, "use a bucket, or one host")
    home = PurePosixPath("/srv/slipway") / environment.stack
    folder = home / "data" / path.relative_to(DATA)
    place = Place(environment.manager, str(folder), str(home / "media-checksums.sqlite"))
    return VolumeBucket(place)
