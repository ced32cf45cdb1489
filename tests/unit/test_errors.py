import pytest
from invoke.exceptions import Exit

from slipway import errors


def leaves() -> list[type[errors.SlipwayError]]:
    found = [errors.SlipwayError]
    for kind in found:
        found.extend(kind.__subclasses__())
    return found


def test_a_message_is_one_line_with_where_what_and_what_to_do() -> None:
    error = errors.StorageError("env/test.toml", "bucket\nmissing\n", "add it")
    assert error.what == "bucket missing"
    assert str(error) == "env/test.toml: bucket missing; add it"
    assert isinstance(error, Exit)
    assert error.message == str(error)


@pytest.mark.parametrize("kind", leaves())
def test_every_error_has_an_exit_code_that_is_listed(kind: type[errors.SlipwayError]) -> None:
    assert kind.exit_code not in {errors.OK, errors.CHANGES}
    assert errors.__doc__ is not None
    # Kinds that a module makes for itself have the code of the one that they are of.
    elsewhere = kind.__module__ != errors.__name__ or kind is errors.ConfigurationErrors
    listed = kind.__name__ in errors.__doc__ or elsewhere
    assert listed
    assert str(kind.exit_code) in errors.__doc__


def test_several_problems_are_reported_at_once() -> None:
    problems = [errors.ConfigurationError("a", "b"), errors.ConfigurationError("c", "d", "e")]
    error = errors.ConfigurationErrors(problems)
    assert str(error) == "a: b\nc: d; e"
    assert error.code == 3
    assert error.message == "a: b\nc: d; e"


def test_some_leaves_are_builtin_errors_too() -> None:
    assert issubclass(errors.ConfigurationError, ValueError)
    # What goes on with the next file after an OSError must not do so without the host.
    assert not issubclass(errors.HostError, OSError)
    assert issubclass(errors.CommandError, RuntimeError)
    assert errors.HostError("h", "is away").code == 4
