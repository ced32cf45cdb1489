import shutil
from pathlib import Path

import pytest

from slipway import adopt

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = "".join(f"{name}==1 \\\n    --hash=sha256:0\n" for name in adopt.PACKAGES)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Return the app/ of another project: settings package, ASGI elsewhere, its own Dockerfile."""
    app = tmp_path / "app"
    files = {
        "manage.py": 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.conf.production")',
        "shop/conf/production.py": "",
        "shop/server/asgi.py": "application = 1\n",
        "Dockerfile": "FROM x\nUSER 1000:1000\nHEALTHCHECK CMD y\nCMD uvicorn shop.server.asgi:a\n",
        "shop/conf/base.py": "",
        ".dockerignore": "x",
        "requirements.txt": PACKAGES,
        "cloud/settings.py": "",
    }
    for name, text in files.items():
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text(text)
    production = app / "shop" / "conf" / "production.py"
    production.write_text(
        "STORAGES = {}\nINSTALLED_APPS = ['cloud']\nfrom cloud.settings import *\n"
    )
    return app


def wrong(app: Path) -> list[str]:
    found = [one for one in adopt.look(app.parent) if one.state != "ok"]
    assert all(one.hint for one in found)
    return [one.text for one in found]


def test_the_project_that_comes_along_is_in_order() -> None:
    assert [one.state for one in adopt.look(ROOT)] == ["ok"] * 4


def test_another_project_is_in_order(own: Path) -> None:
    assert wrong(own) == []


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("Dockerfile", "", "app/Dockerfile is missing"),
        ("Dockerfile", "FROM x\nHEALTHCHECK CMD y\n# shop.server.asgi:a \n", "user 1000"),
        ("Dockerfile", "USER 1000\nHEALTHCHECK NONE\n# shop.server.asgi:a \n", "no HEALTHCHECK"),
        ("Dockerfile", "USER 1000\nHEALTHCHECK CMD y\n", "no file names a WSGI or ASGI module"),
        (
            "Dockerfile",
            'COPY gone.txt x.txt ./\nCMD ["./serve.sh"]\n',
            "wants gone.txt, x.txt, serve.sh",
        ),
        ("Dockerfile", "RUN STATIC_ROOT=/x python manage.py collectstatic\n", "take STATIC_ROOT"),
        ("gunicorn.conf.py", 'wsgi_app = "gone.wsgi:application"\n', ""),
        ("requirements.txt", "django==5\n", "lacks boto3, dj-database-url"),
        ("manage.py", "", "manage.py names no settings module"),
        ("shop/conf/production.py", "INSTALLED_APPS = ['cloud']", "lacks 'from cloud.settings"),
        ("shop/conf/production.py", "from cloud.settings import *", 'lacks "cloud" in'),
    ],
)
def test_what_is_missing_is_said(own: Path, file: str, text: str, said: str) -> None:
    (own / file).write_text(text)
    found = wrong(own)
    assert said in " ".join(found)
    assert bool(found) is bool(said)


def test_a_project_without_cloud_is_told_so(own: Path) -> None:
    shutil.rmtree(own / "cloud")
    assert wrong(own) == ["app/cloud is missing"]
    (own / "manage.py").unlink()
    assert wrong(own)[0] == "app/cloud is missing"


def test_a_settings_package_may_say_it_in_its_base(own: Path) -> None:
    folder = own / "shop" / "settings"
    folder.mkdir()
    (folder / "base.py").write_text("from cloud.settings import *\nINSTALLED_APPS = ['cloud']\n")
    (folder / "live.py").write_text("from .base import *\n")
    (own / "manage.py").write_text('x("DJANGO_SETTINGS_MODULE", "shop.settings.live")')
    assert wrong(own) == []
