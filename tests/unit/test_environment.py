from pathlib import Path

import pytest

from slipway import environment
from slipway.errors import ConfigurationError, ConfigurationErrors
from slipway.settings.database import Database
from slipway.settings.hosts import Host
from slipway.settings.server import Server
from slipway.settings.site import Site
from slipway.settings.storage import Storage
from slipway.settings.web import Web

GOOD = """
project = "myapp"
[site]
url = "http://test.localhost:8080"
[[hosts]]
name = "web1"
address = "192.0.2.10"
[storage]
provider = "s3"
bucket = "myapp-test"
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "env").mkdir()
    return tmp_path


def read(root: Path, text: str) -> environment.Environment:
    (root / "env" / "test.toml").write_text(text)
    return environment.load("test", root)


def problems(root: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationErrors) as caught:
        read(root, text)
    return str(caught.value).splitlines()


def test_the_smallest_file_gives_an_environment_with_defaults(root: Path) -> None:
    found = read(root, GOOD)
    assert (found.stack, found.database, found.manager.user) == ("myapp-test", "myapp", "root")
    assert (found.manager.port, found.web.replicas, found.storage.public) == (22, 2, True)
    assert found.storage.cors_origins == ("http://test.localhost:8080",)
    assert (found.site.domain, found.site.netloc) == ("test.localhost", "test.localhost:8080")
    assert not found.site.secure
    assert found.typed_name == ""


def test_three_mistakes_are_reported_in_one_run(root: Path) -> None:
    text = GOOD.replace('bucket = "myapp-test"', 'buckett = "myapp-test"').replace(
        "http://test", "htp://test"
    )
    found = problems(root, text + "[web]\nreplicas = 0\n")
    assert all(line.startswith("env/test.toml: ") for line in found)
    assert len(found) == 4
    assert any("site.url = 'htp://test.localhost:8080' is no http or https URL" in x for x in found)
    assert any("storage.bucket is missing; write it like" in line for line in found)
    assert any("storage.buckett is unknown; did you mean bucket?" in line for line in found)
    assert any("web.replicas = 0 is out of range; take 1 to 100" in line for line in found)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('project = "myapp"', "project = 3", "project is not a text"),
        ('project = "myapp"', 'project = "My App"', "small letters, digits and hyphens"),
        ('"192.0.2.10"', '"not an address"', "neither an address nor a host name"),
        ('provider = "s3"', 'provider = "ftp"', "is not supported (known: s3, azure, volume)"),
        ('"myapp-test"', '"My_Bucket"', "is no legal bucket name"),
        ("[[hosts]]", "[hosts]", "hosts is no list of tables"),
        ("[site]", "aliases = true\n[site]", "aliases is unknown"),
        ('url = "http://test.localhost:8080"', 'url = "http://x/y"', "has a path or a query"),
        ("[storage]", '[storage]\nprefix = "a/../b"', "has an empty, . or .. part"),
        ("[storage]", "[storage]\nversoning = true", "did you mean versioning?"),
        ("[storage]", "[storage]\nversions_days = -1", "storage.versions_days = -1 is out of"),
        (
            "[storage]",
            '[storage]\nendpoint = "http://h:1"\ntls_only = true',
            "storage.tls_only does not go with an http",
        ),
        ("[storage]", '[storage]\npublic = false\ndomain = "c.example"', "does not go with public"),
        ("[storage]", "[storage]\npublic = 1", "storage.public is not true or false"),
        ("[storage]", "[storage]\ncors_origins = [1]", "cors_origins is not a list of texts"),
        ("[storage]", '[storage]\nregion = ["x"]', "storage.region is not a text"),
        ("[site]", '[site]\naliases = ["a b"]', "'a b' is no host name"),
        ("[site]", '[server]\nengine = "podman"\n[site]', "is no engine's package (known: docker"),
        ("[site]", '[site]\nacme_directory = "http://ca/x"', "is no https URL of a directory"),
        ("[site]", '[site]\nacme_directory = "https://ca/{x"', "is no https URL of a directory"),
        (
            "[site]",
            '[site]\ntls = "internal"\nacme_directory = "https://ca/x"',
            "site.acme_directory is asked with tls = acme only",
        ),
        ("[site]", '[site]\nacme_root_file = "ca.pem"', "acme_root_file belongs to acme_directory"),
    ],
)
def test_each_mistake_has_its_own_line(root: Path, old: str, new: str, said: str) -> None:
    assert any(said in line for line in problems(root, GOOD.replace(old, new)))


def test_a_host_named_twice_is_refused(root: Path) -> None:
    twice = '[[hosts]]\nname = "web1"\naddress = "192.0.2.10"\n'
    found = problems(root, GOOD + twice)
    assert len(found) == 2
    assert "the name 'web1' is there twice" in found[0]


def test_a_missing_file_names_those_there_are(root: Path) -> None:
    (root / "env" / "live.toml").write_text(GOOD)
    with pytest.raises(ConfigurationError, match=r"env/tset.toml: does not exist; .*one of: live"):
        environment.load("tset", root)


def test_broken_toml_names_the_line(root: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"env/test.toml: is no TOML: .*line 2"):
        read(root, "a = 1\nb = \n")


def test_paths_start_at_the_root_and_variables_are_secret(root: Path) -> None:
    (root / "env" / "test.env").write_text("SECRET_KEY='a$b ${HOME}'\nEMPTY\n")
    found = read(root, GOOD.replace("[storage]", 'identity_file = ".keys/id"\n[storage]'))
    assert found.manager.identity_file == root / ".keys" / "id"
    assert found.variable("SECRET_KEY").reveal() == "a$b ${HOME}"
    assert "a$b" not in repr(found)
    with pytest.raises(ConfigurationError, match=r"env/test.env: DATABASE_URL is missing"):
        found.variable("DATABASE_URL")


def test_live_must_be_typed(root: Path) -> None:
    (root / "env" / "live.toml").write_text(GOOD)
    assert environment.load("live", root).typed_name == "live"


def test_the_sandbox_environment_of_this_repository_is_valid() -> None:
    root = Path(__file__).resolve().parents[2]
    assert environment.load("test", root).project == "myapp"


def test_the_example_names_every_setting_and_is_valid(root: Path) -> None:
    repository = Path(__file__).resolve().parents[2]
    text = (repository / "env" / "example.toml").read_text()
    found = read(root, text)
    assert found.storage.domain == "media.example.com"
    assert found.manager.identity_file == Path("~/.ssh/id_ed25519").expanduser()
    settings = {
        "project",
        *Site.__dataclass_fields__,
        *Host.__dataclass_fields__,
        *Storage.__dataclass_fields__,
        *Database.__dataclass_fields__,
        *Server.__dataclass_fields__,
        *Web.__dataclass_fields__,
    }  # fmt: skip
    assert {name for name in settings if f"\n{name} = " not in text} == set()


@pytest.mark.parametrize("name", ["local", "example", "My Env", "../x", "live-trial", "plan"])
def test_some_names_are_refused(root: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot have this name"):
        environment.load(name, root)


def test_the_first_host_always_may_lead_the_swarm(root: Path) -> None:
    second = '[[hosts]]\nname = "web2"\naddress = "192.0.2.11"\n'
    assert [host.manager for host in read(root, GOOD + second).hosts] == [True, False]
    found = problems(root, GOOD.replace("[storage]", "manager = false\n[storage]"))
    assert "hosts: the first one is no manager" in found[0]


def test_the_nearest_environment_is_named(tmp_path: Path) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "test.toml").write_text("")
    with pytest.raises(ConfigurationError, match=r"does not exist; did you mean test\? choose one"):
        environment.load("tset", tmp_path)
    with pytest.raises(ConfigurationError, match="does not exist; choose one of: "):
        environment.load("nothing-like-it", tmp_path)
