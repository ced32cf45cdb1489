"""Show the whole story on the sandbox, as a newcomer would live it, and check it from outside."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from slipway import baseimages, envfile, environment, local
from slipway.command import Command, Shell
from slipway.console import Console, seconds, size
from slipway.environment import read_variables
from slipway.errors import INTERRUPTED, ConfigurationError, SlipwayError
from slipway.sandbox import cloud, samples
from slipway.sandbox.browser import Browser
from slipway.secrets import Secret, generate

LOCAL = "http://localhost:8000"
SANDBOX = "http://127.0.0.1:8080"
SITE = "http://test.localhost:8080"
HOST = "test.localhost:8080"
ADMIN = "admin"
# All at once, side by side: later each part would wait for its own.
IMAGES = (*local.BASE_IMAGES, "caddy:2", "registry:2", cloud.HOST_IMAGE, cloud.S3_IMAGE)
UPLOADS = ("Grüße aus Zürich.txt", "harbour map.svg", "read me.html")
ROWS = """
import json, sys
from uploader.models import UploadedFile
names = set(json.load(sys.stdin))
names -= set(UploadedFile.objects.values_list("file", flat=True))
UploadedFile.objects.bulk_create(UploadedFile(file=name) for name in sorted(names))
"""
LOGIN = """
import sys
from django.contrib.auth import get_user_model
user, _ = get_user_model().objects.get_or_create(
    username="admin", defaults={"is_staff": True, "is_superuser": True})
password = sys.stdin.read()
if not user.check_password(password):
    user.set_password(password)
    user.save()
"""


def demo(root: Path, console: Console) -> None:
    """Run sandbox, local site, the four commands and the checks; raises SlipwayError."""
    begin = time.monotonic()
    shell = Shell()
    _only_on_the_sandbox(root)
    console.title("1  A cloud on this machine")
    baseimages.ensure(IMAGES, shell, console)
    cloud.up(root, console)
    console.title("2  The local site, with real files")
    local.up(root, console)
    password = _administrator(root, shell)
    _fill(root, shell, console, password)
    console.title("3  The four commands")
    results = {name: _invoke(root, name, *options) for name, *options in _commands()}
    console.title("4  Once more: nothing changes, nothing is sent")
    again = {name: _invoke(root, name, *options) for name, *options in _commands()[:3:2]}
    _expect_nothing(again)
    console.title("5  Checked from outside")
    checked = _check(root, console, password)
    _conclude(console, results, checked, password, begin)
    console.result(
        {
            "first": results,
            "again": again,
            "checked": checked,
            "url": SITE,
            "seconds": round(time.monotonic() - begin, 3),
        }
    )


def _only_on_the_sandbox(root: Path) -> None:
    if environment.load("test", root).manager.address != cloud.HOST_ADDRESS:
        raise ConfigurationError(
            "env/test.toml", "does not point to the sandbox any more",
            "run the demo in a fresh clone; it fills the site with samples",
        )  # fmt: skip


def _commands() -> list[tuple[str, ...]]:
    return [("provision", "--yes"), ("deploy",), ("push-media",), ("push-db", "--yes")]


def _administrator(root: Path, shell: Shell) -> Secret:
    path = root / ".sandbox" / "demo.env"
    password = read_variables(path).get("PASSWORD") or generate(16)
    envfile.write(path, f"PASSWORD={envfile.quoted(password.reveal())}\n")
    shell.run(local.script(root, LOGIN, stdin=password))
    return password


def _fill(root: Path, shell: Shell, console: Console, password: Secret) -> None:
    with console.step("files uploaded through the admin's form") as notes:
        site = Browser(LOCAL)
        site.log_in(ADMIN, password.reveal())
        present = site.files()
        missing = [name for name in UPLOADS if not _is_among(name, present)]
        for name in missing:
            site.upload(name, _words(name))
        _put_back(root, present)
        notes.append(f"{len(missing)} new")
    with console.step("real pictures and documents added as rows") as notes:
        names = samples.bring(root, shell)
        shell.run(local.script(root, ROWS, stdin=json.dumps(names).encode()))
        notes.append(f"{len(names)} files")


def _is_among(name: str, present: Collection[str]) -> bool:
    """Tell whether a file was uploaded before, if need be under another name of Django's making."""
    stem, dot, suffix = name.replace(" ", "_").rpartition(".")
    made = re.compile(rf"{re.escape(stem)}(_\w{{7}})?{re.escape(dot + suffix)}")
    return any(made.fullmatch(one) for one in present)


def _put_back(root: Path, present: dict[str, str]) -> None:
    """Write the uploads of an earlier demo again whose rows stayed without their files."""
    for name in UPLOADS:
        path = root / "data" / "media" / name.replace(" ", "_")
        if path.name in present and not path.exists():
            path.write_bytes(_words(name))


def _words(name: str) -> bytes:
    if name.endswith(".svg"):
        return b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle r="9"/></svg>'
    return f"{name}: hello from the local site\n".encode()


def _invoke(root: Path, name: str, *options: str) -> dict[str, Any]:
    """Run a command as a person would: its lines pass through, its JSON comes back."""
    invoke = Path(sys.executable).with_name("invoke")
    # A proxy leads to the world outside; the sandbox is on this machine.
    direct = ",".join(
        [*os.environ.get("no_proxy", "").split(","), cloud.HOST_ADDRESS, cloud.S3_ADDRESS]
    )
    env = {"no_proxy": direct, "NO_PROXY": direct}
    command = Command.of(invoke, name, "--json", *options, cwd=root, env=env)
    sys.stdout.flush()
    process = Shell().start(command, stdout=subprocess.PIPE, stderr=None)
    try:
        said, _ = process.communicate()
    except KeyboardInterrupt:
        # The terminal interrupted the command as well, which says what it has left.
        process.wait()
        sys.exit(INTERRUPTED)
    if process.returncode != 0:
        sys.exit(process.returncode)
    return dict(json.loads(said))


def _expect_nothing(again: dict[str, dict[str, Any]]) -> None:
    if again["provision"]["changes"] or again["push-media"]["uploaded"]:
        raise SlipwayError("demo", "the second run was not without changes", "report this")


def _check(root: Path, console: Console, password: Secret) -> dict[str, int]:
    site = Browser(SANDBOX, HOST)
    files = site.files()
    if len(files) < samples.LEAST:
        raise SlipwayError(SITE, f"shows only {len(files)} files", "report this")
    total = 0
    with console.step("each file opened at the URL that the site shows") as notes:
        # A clone in the place of an earlier one finds its database, without its files.
        lost = {name for name in files if not (root / "data" / "media" / name).exists()}
        for name in files.keys() - lost:
            content = site.fetch(files[name])
            if content != (root / "data" / "media" / name).read_bytes():
                raise SlipwayError(files[name], "is not the file that was pushed", "report this")
            total += len(content)
        notes.append(f"{len(files) - len(lost)} files, {size(total)}")
    if lost:
        console.say(
            f"note: rows of an earlier clone whose files are gone: {len(lost)}; for an empty "
            "database: invoke local.down --volumes"
        )
    with console.step("an upload in the deployed admin landed in the bucket"):
        site.log_in(ADMIN, password.reveal())
        content = os.urandom(1000)
        url = site.upload("from the cloud.bin", content)
        if site.fetch(url) != content or url.startswith(SANDBOX):
            raise SlipwayError(url, "is not in the bucket", "report this")
    return {"files": len(files) - len(lost), "bytes": total}


def _conclude(
    console: Console,
    results: dict[str, dict[str, Any]],
    checked: dict[str, int],
    password: Secret,
    begin: float,
) -> None:
    times = "  ".join(f"{name} {seconds(found['seconds'])}" for name, found in results.items())
    console.title(f"Done in {seconds(time.monotonic() - begin)}")
    console.say(f"Site   {SITE}")
    console.say(f"Admin  {SITE}/admin/")
    console.say(f"Login  {ADMIN}   {password.reveal()}")
    console.say(f"Files  {checked['files']} files, {size(checked['bytes'])}, each one compared")
    console.say(f"Times  {times}")
    console.say("Next   . .venv/bin/activate; change app/, then 'invoke deploy'")
    console.say("End    'invoke sandbox.down'; the local site: 'invoke local.down'")
