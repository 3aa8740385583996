"""What an unforeseen error leaves in a log: where it happened, and nothing that was typed."""

import logging

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from central.base.crash import describe_crash
from central.people.models import User

pytestmark = pytest.mark.both_databases
TYPED = "999999199001010016"


def user(**fields):
    values = {"login": TYPED, "name": TYPED, "role": "clerk", "court_code": "云2901", "password_hash": TYPED}
    return User(**{**values, "created_ms": 1, "created_by": "system:test", **fields})


def fail_twice(store):
    """Let two accounts have one name."""
    with store.write() as uow:
        uow.session.add(user())
        uow.session.flush()
        uow.session.add(user())
        uow.session.flush()


def fail_by_kind(store):
    """Give a number's column a word."""
    with store.read() as session:
        session.execute(text("SELECT CAST(:typed AS integer) + abs(-9223372036854775807 - 1)"), {"typed": TYPED})


def fail_by_nothing(store):
    """Leave out what must be there."""
    with store.write() as uow:
        uow.session.add(user(name=None))
        uow.session.flush()


@pytest.mark.parametrize("fail", [fail_twice, fail_by_kind, fail_by_nothing])
def test_the_database_s_errors_do_not_quote(store, fail, caplog):
    with pytest.raises(DBAPIError) as caught:
        fail(store)
    logging.getLogger("x").error("all of it", exc_info=caught.value)  # as any process may log it
    assert "Traceback" in caplog.text
    assert TYPED not in caplog.text
    told = describe_crash(caught.value)
    assert TYPED not in told
    assert "test_crash.py" in told
    assert "sqlalchemy.exc." in told


def test_the_constraint_is_still_named(store, backend):
    with pytest.raises(DBAPIError) as caught:
        fail_twice(store)
    assert "login" in str(caught.value)
    if backend == "postgresql":
        assert "SQLSTATE 23505" in str(caught.value)
        assert "DETAIL" not in str(caught.value)


def test_errors_of_the_program_do_not_quote_either():
    try:
        try:
            int(TYPED + "x")
        except ValueError as error:
            raise KeyError(TYPED) from error
    except KeyError as error:
        told = describe_crash(error)
    assert TYPED not in told
    assert told.index("builtins.ValueError") < told.index("builtins.KeyError")
    assert "int(TYPED" in told  # the line of the program


def test_every_error_of_a_group_is_told():
    group = ExceptionGroup(TYPED, [OSError(28, "No space left on device"), ValueError(TYPED)])
    told = describe_crash(group)
    assert "No space left" in told
    assert "ValueError" in told
    assert TYPED not in told
