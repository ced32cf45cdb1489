import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.postgres import scram
from slipway.secrets import Secret

# RFC 7677, section 3: user "user", password "pencil".
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
SERVER_KEY = "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="


def test_the_example_of_the_rfc() -> None:
    stored = scram.verifier(Secret("pencil"), SALT, 4096)
    assert stored.startswith("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
    assert stored.endswith(f":{SERVER_KEY}")
    assert scram.matches(stored, Secret("pencil"))
    assert not scram.matches(stored, Secret("pencils"))


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_only_the_same_password_matches(one: str, other: str) -> None:
    one, other = one.encode(errors="ignore").decode(), other.encode(errors="ignore").decode()
    stored = scram.verifier(Secret(one), iterations=1)
    same = scram.prepared(one) == scram.prepared(other)
    assert scram.matches(stored, Secret(other)) is same


def test_every_verifier_has_a_salt_of_its_own() -> None:
    assert scram.verifier(Secret("x")) != scram.verifier(Secret("x"))


@pytest.mark.parametrize("stored", ["", "md5d0970714757783e6cf17b26fb8e2298f", "plain", "SCRAM-"])
def test_another_kind_of_verifier_never_matches(stored: str) -> None:
    assert not scram.matches(stored, Secret("plain"))


# RFC 4013, section 3.
@pytest.mark.parametrize(
    ("password", "wanted"),
    [("I\u00adX", "IX"), ("user", "user"), ("USER", "USER"), ("\u00aa", "a"), ("\u2168", "IX"),
     ("a\u00a0b", "a b")],
)  # fmt: skip
def test_passwords_are_prepared_as_the_rfc_says(password: str, wanted: str) -> None:
    assert scram.prepared(password) == wanted.encode()


@pytest.mark.parametrize("password", ["\u0007", "\u06271", "\u0378", "\u00ad"])
def test_what_cannot_be_prepared_is_taken_as_it_is(password: str) -> None:
    assert scram.prepared(password) == password.encode()
