from pathlib import Path

import pytest

from slipway import adopt_settings

CLOUD = "from cloud.settings import *\n"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """Return an app/ whose settings package has a base with settings of its own."""
    folder = tmp_path / "shop" / "settings"
    folder.mkdir(parents=True)
    (folder / "base.py").write_text("DEBUG = True\nNAME = 1\nfrom .more import *\n")
    (folder / "more.py").write_text("DATABASES = {}\n")
    (folder / "ready.py").write_text(f"DEBUG = True\n{CLOUD}")
    return tmp_path


def later(app: Path, text: str) -> list[str] | None:
    path = app / "shop" / "settings" / "live.py"
    path.write_text(text)
    return adopt_settings.set_later(app, path)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", None),
        ("from cloud.settings import DATABASES\n", None),
        (CLOUD, []),
        (f"DEBUG = True\n{CLOUD}NAME = 1\n", []),
        (f"{CLOUD}STORAGES = {{}}\nDEBUG = 1\n", ["STORAGES", "DEBUG"]),
        (f"{CLOUD}DEFAULT_FILE_STORAGE = 1\n", ["DEFAULT_FILE_STORAGE"]),
        (f"{CLOUD}DATABASES: dict = {{}}\n", ["DATABASES"]),
        (f"{CLOUD}MEDIA_URL, MEDIA_ROOT = '/m/', 'm'\n", ["MEDIA_URL", "MEDIA_ROOT"]),
        (f"{CLOUD}if x:\n    pass\nelse:\n    DEBUG = True\n", ["DEBUG"]),
        (f"{CLOUD}try:\n    from .x import DEBUG, X\nexcept E:\n    DEBUG = 1\n", ["DEBUG"] * 2),
        (f"{CLOUD}def f():\n    DEBUG = True\n", []),
        (f"{CLOUD}STORAGES['staticfiles'] = DATABASES['default']['OPTIONS'] = {{}}\n", []),
        (f"{CLOUD}from .base import *\n", ["DEBUG", "DATABASES"]),
        (f"from .base import *\n{CLOUD}", []),
        (f"{CLOUD}from conference.settings import *\n", ["all of conference.settings"]),
        ("from shop.settings.ready import *\n", []),
        ("from shop.settings.ready import *\nDEBUG = True\n", ["DEBUG"]),
        (f"from .ready import *\nDEBUG = True\n{CLOUD}", []),
    ],
)  # fmt: skip
def test_what_is_set_after_the_environments_settings_is_named(
    app: Path, text: str, names: list[str] | None
) -> None:
    assert later(app, text) == names


def test_the_modules_that_are_taken_over_are_found_each_once(app: Path) -> None:
    later(app, "from .base import *\nfrom shop.settings.more import *\nfrom gone import *\n")
    found = adopt_settings.files(app, "shop.settings.live")
    assert [path.stem for path in found] == ["live", "base", "more"]
    assert adopt_settings.files(app, "shop.nowhere") == []
