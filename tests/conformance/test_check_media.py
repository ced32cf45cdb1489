"""Ask a running site, on a host that is reached over SSH, which files its rows name."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway import baseimages, local
from slipway.buildkit import package_index
from slipway.check_media import check_media
from slipway.console import Console
from slipway.environment import Environment
from slipway.objects.bucket import Meta
from slipway.objects.s3 import S3Bucket
from slipway.settings.hosts import Host
from slipway.sync import etags
from tests.conformance.database.servers import docker, shell
from tests.conformance.site import Site
from tests.unit.factory import environment

ROOT = Path(__file__).resolve().parents[2]
VARIABLES = {
    "SECRET_KEY": "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz",
    "DATABASE_URL": "sqlite:////tmp/test.db",
    "DEFAULT_STORAGE_DSN": "file:///data/media/?url=%2Fmedia%2F",
}
ROWS = (
    "from uploader.models import UploadedFile as F;"
    "[F.objects.create(file=n) for n in ('a.txt', 'b/Stra\u00dfe.jpg', 'gone.png', '')]"
)


@pytest.fixture
def deployed(machine: tuple[str, Host], tmp_path: Path) -> Iterator[Environment]:
    baseimages.ensure(["python:3.13-slim-trixie"])
    shell.run(local.build_command(ROOT, package_index()))
    there = environment(root=tmp_path, project=f"check-{secrets.token_hex(4)}", hosts=(machine[1],))
    label = f"com.docker.swarm.service.name={there.stack}_web"
    words = [word for item in VARIABLES.items() for word in ("--env", "=".join(item))]
    name = docker("run", "--detach", "--tmpfs", "/tmp", "--label", label, *words, local.IMAGE)
    try:
        docker("exec", name, "python", "manage.py", "migrate", "--noinput")
        docker("exec", name, "python", "manage.py", "shell", "-c", ROWS)
        yield there
    finally:
        docker("rm", "--force", "--volumes", name)


@pytest.mark.parametrize("prefix", ["", "one/two"])
def test_rows_without_objects_and_objects_without_rows_are_listed(
    deployed: Environment, site: Site, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = S3Bucket(site.dsn(prefix=prefix))
    for name in ("a.txt", "b/Stra\u00dfe.jpg", "orphan.png"):
        bucket.put(name, b"x", Meta("text/plain"), bytes.fromhex(etags.of_bytes(b"x")))
    assert check_media(deployed, Console(as_json=True), bucket=bucket) == 11
    said = json.loads(capsys.readouterr().out)
    assert said["missing"] == [
        {"field": "uploader.UploadedFile.file", "row": "3", "name": "gone.png"}
    ]
    assert (said["orphans"], said["rows"], said["objects"]) == (["orphan.png"], 3, 3)
    bucket.put("gone.png", b"x", Meta("image/png"), bytes.fromhex(etags.of_bytes(b"x")))
    assert list(bucket.delete(["orphan.png"])) == []
    assert check_media(deployed, Console(), bucket=bucket) == 0
