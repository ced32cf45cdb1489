"""Say how each tool pushes a folder to a bucket, each as it is quickest, and run it."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bench.peers import install
from slipway.command import Command, Shell

ROOT = Path(__file__).resolve().parents[1]
KEY, SECRET = "slipway-bench", "slipway-bench-secret"
SETTINGS = """
project = "bench"
[site]
url = "http://bench.localhost"
[[hosts]]
name = "host1"
address = "192.0.2.10"
[storage]
provider = "s3"
bucket = "{bucket}"
endpoint = "{endpoint}"
"""


@dataclass(frozen=True)
class Target:
    """Hold what is sent where."""

    folder: Path
    bucket: str
    endpoint: str


def run(words: list[str], variables: Mapping[str, str], folder: Path = ROOT) -> dict[str, object]:
    """Run a tool to its end and return seconds of its CPU and its largest memory in MB."""
    foreign = [n for n in os.environ if n.upper().startswith(("AWS_", "RCLONE", "PYTHONDONT"))]
    without = [word for name in foreign for word in ("-u", name)]
    command = Command.of("env", *without, *words, env=variables, cwd=folder)
    process = Shell().start(command, stdout=subprocess.DEVNULL)
    assert process.stderr
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(said.decode("utf-8", "replace")[-300:])
    cpu = used.ru_utime + used.ru_stime
    return {"cpu": round(cpu, 2), "MB": round(used.ru_maxrss / 1024)}


class Slipway:
    """Push with `invoke push-media`, in a copy of this repository."""

    def __init__(self, home: Path) -> None:
        self._home = home
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(ROOT / "slipway", home / "slipway", ignore=shutil.ignore_patterns("*.pyc"))
        shutil.copy(ROOT / "tasks.py", home)
        (home / "env").mkdir()
        (home / "data").mkdir()
        Shell().run(Command.of(sys.executable, "-m", "compileall", "-q", ".", cwd=home))

    def forget(self) -> None:
        """Forget what earlier runs learnt."""
        shutil.rmtree(self._home / ".state", ignore_errors=True)

    def push(self, _: Target) -> dict[str, object]:
        """Push what `prepare` was given."""
        invoke = Path(sysconfig.get_path("scripts")) / "invoke"
        return run([str(invoke), "push-media", "-e", "bench", "--delete", "--yes"], {}, self._home)

    def prepare(self, target: Target) -> None:
        """Write the environment, and put the set where the site has its media."""
        settings = SETTINGS.format(bucket=target.bucket, endpoint=target.endpoint)
        (self._home / "env" / "bench.toml").write_text(settings, encoding="utf-8")
        host, end = target.endpoint.partition("//")[2], quote(target.endpoint, safe="")
        dsn = f"s3://{KEY}:{SECRET}@{target.bucket}.{host}/?endpoint={end}&region_name=us-east-1"
        dsn += "&addressing_style=path&auth=s3v4"
        (self._home / "env" / "bench.env").write_text(f"DEFAULT_STORAGE_DSN='{dsn}'\n")
        media = self._home / "data" / "media"
        media.unlink(missing_ok=True)
        media.symlink_to(target.folder)


class Peers:
    """Push with other tools, with the options that made each quickest."""

    def __init__(self) -> None:
        self._programs = install("media")
        (self._s5cmd,) = self._programs.parent.glob("lib/*/site-packages/s5cmd/bin/s5cmd")

    def rclone(self, transfers: int, *more: str, checksums: bool = False) -> "Push":
        """Return rclone sync."""
        words = [
            str(self._programs / "rclone"), "sync", "--fast-list", "--transfers", str(transfers),
            "--checkers", "32", "--s3-no-check-bucket", "--s3-no-head",
            "--s3-upload-concurrency", "8", "--s3-chunk-size", "16M", *(more or ["--checksum"]),
            *([] if checksums else ["--s3-disable-checksum"]),
        ]  # fmt: skip

        def push(target: Target) -> dict[str, object]:
            variables = {
                "RCLONE_CONFIG": "/dev/null", "RCLONE_CONFIG_S_TYPE": "s3",
                "RCLONE_CONFIG_S_PROVIDER": "Other", "RCLONE_CONFIG_S_ACCESS_KEY_ID": KEY,
                "RCLONE_CONFIG_S_SECRET_ACCESS_KEY": SECRET,
                "RCLONE_CONFIG_S_ENDPOINT": target.endpoint, "RCLONE_CONFIG_S_REGION": "us-east-1",
            }  # fmt: skip
            return run([*words, str(target.folder), f"s:{target.bucket}"], variables)

        return push

    def s5cmd(self, *, large: bool) -> "Push":
        """Return s5cmd sync, or cp for large files."""
        how = ["cp", "--concurrency", "4", "--part-size", "16"] if large else ["sync", "--delete"]
        workers = ["--numworkers", "16"] if large else []

        def push(target: Target) -> dict[str, object]:
            words = [str(self._s5cmd), "--endpoint-url", target.endpoint, *workers, *how]
            return run([*words, f"{target.folder}/", f"s3://{target.bucket}/"], AWS)

        return push

    def aws(self, target: Target) -> dict[str, object]:
        """Push with aws s3 sync."""
        words = [str(self._programs / "aws"), "s3", "sync", "--delete", "--only-show-errors"]
        words += ["--endpoint-url", target.endpoint, str(target.folder), f"s3://{target.bucket}"]
        return run(words, AWS)

    def archive(self, target: Target) -> dict[str, object]:
        """Push as Divio does: everything in one archive, in one upload; unpacked over there."""
        packed = target.folder.parent / "archive.tar.gz"
        with tarfile.open(packed, "w:gz", compresslevel=6) as archive:
            archive.add(target.folder, "data")
        words = [str(self._s5cmd), "--endpoint-url", target.endpoint, "cp", "--part-size", "16"]
        used = run([*words, str(packed), f"s3://{target.bucket}/"], AWS)
        packed.unlink()
        return {"MB": used["MB"]}


Push = Callable[[Target], dict[str, object]]
AWS = {
    "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null",
}  # fmt: skip
