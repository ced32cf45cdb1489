"""Hold a copy of the repository whose site runs on three hosts, and change that site."""

import http.client
import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.machine import INVOKE, docker
from tests.e2e.three.traffic import HOST, Traffic

ADDRESSES = ("10.213.0.10", "10.213.0.11", "10.213.0.12")
FAILED, HOST_FAILED = 7, 4
# Only a run that hangs takes so long, whatever else the machine does.
LONG = 1200
VIEWS = """

import time as _time

from django.http import HttpResponse as _Response
from django.views.decorators.csrf import csrf_exempt as _exempt

VERSION = "v0"


def _version(request):
    return _Response(VERSION)


def _slow(request):
    _time.sleep(3)
    return _Response(VERSION)


@_exempt
def _upload(request):
    return _Response(str(len(request.body)))


urlpatterns += [path("version", _version), path("slow", _slow), path("upload", _upload)]
"""
SICK = """


def sick() -> JsonResponse:
    return JsonResponse({"status": "sick"}, status=503)


ANSWERS["/healthz"] = sick
"""
MIGRATION = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("uploader", "{before}")]
    operations = [{operation}]
"""
ADD_NOTE = 'migrations.AddField("uploadedfile", "note", models.TextField(null=True))'
DROP_NOTE = 'migrations.RemoveField("uploadedfile", "note")'
BROKEN = 'migrations.RunSQL("select 1/0")'
NEEDS = """

if env.text("SITE_URL") and not env.text("PAYMENT_KEY"):
    raise ImproperlyConfigured("PAYMENT_KEY is missing")
"""
CLOCK = "import time\n_now = time.time\ntime.time = lambda: _now() - 3600\n"


@dataclass
class Cloud:
    """Hold a copy of the repository that has three hosts, and change its site."""

    root: Path
    version: int = 0

    def invoke(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*words, **environ)
        out, err = process.communicate(timeout=LONG)
        print(f"\n$ invoke {' '.join(words)} -> {process.returncode}\n{out}{err}")
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def start(self, *words: str, **environ: str) -> "subprocess.Popen[str]":
        # A test run in the background has Ctrl-C switched off, and would hand that on.
        return subprocess.Popen(
            ["env", "--default-signal=INT", INVOKE, *words], cwd=self.root,
            env={**os.environ, **environ}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip

    def deploy(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return self.invoke("deploy", "-e", "three", *words, **environ)

    def good(self, *words: str) -> dict[str, Any]:
        done = self.deploy("--json", *words)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def change(self) -> str:
        """Change one line of the site, and return the version that it shows then."""
        self.version += 1
        path = self.root / "app" / "myapp" / "urls.py"
        text = path.read_text()
        old = next(line for line in text.splitlines() if line.startswith("VERSION = "))
        path.write_text(text.replace(old, f'VERSION = "v{self.version}"'))
        return f"v{self.version}"

    def shown(self, address: str = ADDRESSES[0]) -> str:
        connection = http.client.HTTPConnection(address, timeout=20)
        connection.request("GET", "/version", headers={"Host": HOST})
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read().decode()

    def migration(self, number: int, operation: str) -> Path:
        folder = self.root / "app" / "uploader" / "migrations"
        before = sorted(path.stem for path in folder.glob("0*.py"))[-1]
        path = folder / f"{number:04}_test.py"
        path.write_text(MIGRATION.format(before=before, operation=operation))
        return path

    def until(self, process: "subprocess.Popen[str]", line: str) -> None:
        """Wait until a run has printed a line that begins a step."""
        assert process.stdout
        for said in process.stdout:
            print(said, end="")
            if line in said:
                return
        pytest.fail(f"ended before {line!r}: {process.communicate()[1]}")


def on(host: int, *words: str, stdin: str = "") -> str:
    return docker("exec", "-i", f"slipway-host{host}", *words, stdin=stdin)


def on_again(host: int) -> None:
    """Wait until a host that was off is a part of the Swarm again, with its proxy."""
    deadline = time.monotonic() + 180
    while "slipway_proxy" not in on(host, "sh", "-c", "docker ps --format {{.Names}} || true"):
        assert time.monotonic() < deadline
        time.sleep(1)


def sql(text: str) -> str:
    database = on(1, "docker", "ps", "-q", "-f", "name=myapp-three-services_db").split()[0]
    return on(1, "docker", "exec", "-i", database, "psql", "-qAtU", "postgres", "myapp", stdin=text)


def calm(load: Traffic) -> None:
    assert load.failures == []
    assert load.sent > 100
