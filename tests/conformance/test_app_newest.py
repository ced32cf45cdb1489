"""The app works on the newest Django as on the LTS release. Needs a Docker engine."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from slipway import baseimages, local
from slipway.buildkit import package_index
from slipway.command import Command, Shell

ROOT = Path(__file__).resolve().parents[2]
LOCK = Path(__file__).with_name("requirements-newest.txt")
NEWEST = "slipway-test-newest"
IN_THE_CLOUD = {
    "STAGE": "live",
    "SITE_URL": "https://example.com",
    "DOMAIN": "example.com",
    "SECRET_KEY": "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz",
    "DATABASE_URL": "postgres://user:password@db:5432/name",
    "DEFAULT_STORAGE_DSN": "s3://K:S@b.s3.eu-west-1.amazonaws.com/?auth=s3v4",
}
STRICT = ("-B", "-W", "error::DeprecationWarning:cloud")
shell = Shell()


def run(image: str, *words: str, **variables: str) -> tuple[int, str]:
    options = [word for item in variables.items() for word in ("--env", "=".join(item))]
    mount = ("--volume", f"{ROOT}/app:/app:ro", "--network", "none", "--user", "1000")
    command = Command.of(
        "docker", "run", "--rm", *mount, *options, image, "python", *STRICT, *words
    )
    result = shell.run(command, check=False)
    return result.code, result.stdout + result.stderr


@pytest.fixture(scope="module", params=[local.IMAGE, NEWEST])
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    name = str(request.param)
    baseimages.ensure(["python:3.13-slim-trixie"])
    root = ROOT
    if name == NEWEST:
        root = tmp_path_factory.mktemp("newest")
        shutil.copytree(ROOT / "app", root / "app")
        shutil.copyfile(LOCK, root / "app" / "requirements.txt")
    command = local.build_command(root, package_index())
    shell.run(replace(command, argv=tuple(name if w == local.IMAGE else w for w in command.argv)))
    return name


def test_each_image_has_the_django_that_it_is_for(image: str) -> None:
    _, said = run(image, "-c", "import django; print(django.__version__)")
    lts = (ROOT / "app" / "requirements.txt").read_text(encoding="utf-8")
    lock = LOCK.read_text(encoding="utf-8") if image == NEWEST else lts
    assert f"django=={said.strip()} " in lock
    assert said.startswith("5.2.") is (image == local.IMAGE)


def test_the_apps_own_tests_pass(image: str) -> None:
    code, said = run(image, "manage.py", "test", "--verbosity", "0", ENV_FILE="/app/test.env")
    assert code == 0, said


def test_the_deployment_check_is_clean(image: str) -> None:
    words = ("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    code, said = run(image, *words, **IN_THE_CLOUD)
    assert (code, "no issues" in said) == (0, True), said


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"DEFAULT_STORAGE_DSN": ""}, "cloud.E001"),
        ({"DEFAULT_STORAGE_DSN": "s3://K:S/S@b.s3.example/"}, "cloud.E002"),
        ({"DEBUG": "True"}, "cloud.E005"),
        ({"SECRET_KEY": "guess-me"}, "cloud.E006"),
        ({"DOMAIN": ""}, "cloud.E007"),
    ],
)
def test_a_mistake_in_the_env_file_stops_the_release(
    image: str, changed: dict[str, str], found: str
) -> None:
    code, said = run(image, "manage.py", "check", **{**IN_THE_CLOUD, **changed})
    assert (code, found in said, "HINT" in said) == (1, True, True), said
