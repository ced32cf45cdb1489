import pickle

import pytest

from slipway.secrets import Secret, generate


def test_a_secret_never_prints() -> None:
    secret = Secret("hunter2")
    shown = f"{secret} {secret!r} {secret!s} {secret:>8} {[secret]} %s" % secret
    assert "hunter2" not in shown
    assert shown.startswith("*** ")


def test_reveal_is_the_only_way_out() -> None:
    secret = Secret("hunter2")
    assert secret.reveal() == "hunter2"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert not hasattr(secret, "__dict__")


def test_secrets_compare_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert not Secret("")


def test_generated_secrets_differ_and_have_the_length_asked_for() -> None:
    one, other = generate(40), generate(40)
    assert one != other
    assert len(one.reveal()) == 40
