import json
from urllib.parse import quote

import pytest

from slipway.masking import masker
from slipway.secrets import Secret
from tests.unit.factory import environment

VARIABLES = {
    "STAGE": "test-stage",
    "SECRET_KEY": "k3y-of-the-site",
    "DATABASE_URL": "postgres://myapp:p%40ssword@db:5432/myapp",
    "DEFAULT_STORAGE_DSN": "s3://ID:s3cr3tKey@b.10.0.0.1:8333/?endpoint=http%3A%2F%2F10.0.0.1%3A8333",
    "FLAG": "1",
    "EMPTY": "",
}


def test_secrets_and_the_parts_of_dsns_are_hidden() -> None:
    mask = masker(environment(variables={n: Secret(v) for n, v in VARIABLES.items()}))
    said = 'key k3y-of-the-site, user "myapp" password "p@ssword", s3cr3tKey at test-stage 1'
    assert mask(said) == 'key ***, user "myapp" password "***", *** at test-stage 1'
    assert mask(VARIABLES["DATABASE_URL"]) == "***"


KEY = """-----BEGIN KEY-----\nMIIEvQ"\\/ünd+Zg==\n-----END KEY-----\n"""


@pytest.mark.parametrize(
    "said",
    [
        *KEY.splitlines(),
        json.dumps({"key": KEY}),
        json.dumps({"key": KEY}, ensure_ascii=False),
        repr(KEY),
        quote(KEY, safe=""),
        f"  {KEY.splitlines()[1]}  ",
    ],
)
def test_secrets_are_hidden_however_they_are_written(said: str) -> None:
    mask = masker(environment(variables={"KEY": Secret(KEY)}))
    assert "MIIEvQ" not in mask(said)
    assert "***" in mask(said)


def test_without_variables_nothing_is_hidden() -> None:
    assert masker(environment())("as it is") == "as it is"
