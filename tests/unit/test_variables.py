import pytest

from slipway import dsn, variables
from slipway.errors import ConfigurationError, DsnError
from slipway.secrets import Secret
from tests.unit.factory import environment


def test_a_new_environment_gets_new_secrets() -> None:
    one, other = (variables.values(environment(), None) for _ in range(2))
    assert one["secret_key"] != other["secret_key"]
    assert one["database_url"] != other["database_url"]
    assert one["default_storage_dsn"] == Secret("")
    assert one["stage"] == "test"
    assert one["debug"] == "False"


def test_valid_secrets_are_kept() -> None:
    present = {
        "SECRET_KEY": Secret("kept"),
        "DATABASE_URL": Secret("postgres://old:p%2Fw@db:5432/old"),
    }
    found = variables.values(environment(variables=present), dsn.FileDsn("/data/media/", "/media/"))
    assert found["secret_key"] == Secret("kept")
    assert found["database_url"] == Secret("postgres://myapp:p%2Fw@db:5432/myapp")
    assert found["default_storage_dsn"] == Secret("file:///data/media/?url=%2Fmedia%2F")


def test_a_managed_database_is_kept_whole() -> None:
    url = Secret("postgres://u:p%2Fw@db.example.com:6432/shop?sslmode=require")
    site = environment(variables={"DATABASE_URL": url})
    assert variables.values(site, None)["database_url"] == url
    assert variables.managed(site) == url
    assert variables.managed(environment()) is None


@pytest.mark.parametrize(
    "url", ["postgres://u:p/w@h/d", "postgres://u:p@h", "u:p@h/d", "mysql://u:p@db/d"]
)
def test_nothing_takes_the_place_of_a_database_url_that_cannot_be_read(url: str) -> None:
    site = environment(variables={"DATABASE_URL": Secret(url)})
    for ask in (lambda: variables.values(site, None), lambda: variables.database(site)):
        with pytest.raises(DsnError, match=r"^env/test\.env: DATABASE_URL: .*; "):
            ask()
    with pytest.raises(DsnError, match=r"^--set DATABASE_URL: .*; "):
        variables.check("DATABASE_URL", url, "--set DATABASE_URL")


def test_a_storage_dsn_that_cannot_be_read_is_not_set() -> None:
    variables.check("DEFAULT_STORAGE_DSN", "file:///data/media/?url=%2Fmedia%2F", "--set")
    with pytest.raises(DsnError, match=r"^--set: "):
        variables.check("DEFAULT_STORAGE_DSN", "s3:/nothing", "--set")


def test_an_env_file_of_another_bucket_is_refused_before_anything_is_sent() -> None:
    other = dsn.S3Dsn("K", Secret("S"), "myapp-other", "us-east-1", "http://192.0.2.20:8333")
    with pytest.raises(ConfigurationError, match=r"the bucket myapp-other, .* myapp-test; run"):
        variables.storage(environment(variables={"DEFAULT_STORAGE_DSN": other.render()}))
    same = dsn.S3Dsn("K", Secret("S"), "myapp-test", "us-east-1", "http://192.0.2.20:8333")
    assert variables.storage(environment(variables={"DEFAULT_STORAGE_DSN": same.render()})) == same
