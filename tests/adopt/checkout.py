"""Make a fresh checkout, and put another team's project into its app/."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.machine import INVOKE, ROOT

PROJECT = Path(__file__).with_name("project")
# What docs/adopt.md has a team take over as it is.
KEPT = ("cloud", "gunicorn.conf.py", "serve.sh", "requirements-release.txt")
# The one line of gunicorn.conf.py that differs.
SERVED, OWN = '"myapp.wsgi:application"', '"conference.server.wsgi:application"'
AUTHOR = ("-c", "user.name=team", "-c", "user.email=team@example.org")
VARIABLES = """
# pretalx
PRETALX_SITE_URL={{ site_url | dotenv }}
PRETALX_DEBUG={{ debug | dotenv }}
"""
# A project that knows nothing of this repository.
BARE = {
    "manage.py": 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "conference.settings")\n',
    "conference/settings.py": "from pretalx.settings import *\n",
    "requirements.txt": "pretalx==2025.2.2\n",
}


@dataclass(frozen=True)
class Checkout:
    """Hold a repository of its own, and use it as a person would."""

    root: Path

    def invoke(self, *words: str, codes: tuple[int, ...] = (0,)) -> str:
        """Run a task, and return what it prints."""
        done = subprocess.run(
            [INVOKE, *words], cwd=self.root, capture_output=True, text=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode in codes, f"invoke {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def result_of(self, *words: str, codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
        """Run a task, and return the JSON that it prints."""
        return dict(json.loads(self.invoke(*words, "--json", codes=codes)))

    def git(self, *words: str) -> str:
        return _git(self.root, *words)

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git(*AUTHOR, "commit", "--quiet", "--message", message)

    def changed(self) -> list[str]:
        """Name every file that differs from the first commit."""
        first = self.git("rev-list", "--max-parents=0", "HEAD").strip()
        tracked = self.git("diff", "--name-only", first)
        untracked = self.git("ls-files", "--others", "--exclude-standard")
        return (tracked + untracked).splitlines()


def fresh(root: Path) -> Checkout:
    """Copy what git tracks, or would, into a repository of its own, and lend it our .venv."""
    listed = _git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    (root / ".venv").symlink_to(sys.prefix)
    made = Checkout(root)
    made.git("init", "--quiet")
    made.commit("Start")
    return made


def bare(own: Checkout) -> None:
    """Replace app/ by a project as it was before."""
    shutil.rmtree(own.root / "app")
    for name, text in BARE.items():
        (own.root / "app" / name).parent.mkdir(parents=True, exist_ok=True)
        (own.root / "app" / name).write_text(text)


def adopt(own: Checkout) -> None:
    """Replace app/ by the project that followed docs/adopt.md, and commit."""
    app = own.root / "app"
    shutil.rmtree(app)
    shutil.copytree(PROJECT, app, ignore=shutil.ignore_patterns("__pycache__"))
    for name in KEPT:
        copy = shutil.copytree if (ROOT / "app" / name).is_dir() else shutil.copy2
        copy(ROOT / "app" / name, app / name)
    gunicorn = app / "gunicorn.conf.py"
    gunicorn.write_text(gunicorn.read_text().replace(SERVED, OWN))
    with (own.root / "env" / "app.env.j2").open("a") as template:
        template.write(VARIABLES)
    own.commit("Bring our own Django")


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", root, *words], capture_output=True, text=True, check=True)
    return done.stdout
