"""Registered workstations and the log-ins and acts bound to them."""

import msgspec
import pytest
from sqlmodel import select

from central.audit.models import AuditEntry
from central.base.errors import ForbiddenError, NotFoundError
from central.base.ids import hash_token
from central.people import queries, rules, service, sessions, terminals
from central.people.models import Terminal
from central.people.sessions import Visit
from tests.central.people.conftest import PASSWORD

pytestmark = pytest.mark.both_databases


def register(store, actor, **changes):
    values = {"name": "值班台一号机", "room": "指挥大厅", "court_code": "云2901"}
    with store.write() as uow:
        return terminals.register_terminal(uow, actor, **{**values, **changes})


def bind(store, code, **values):
    with store.write() as uow:
        return terminals.bind_browser(uow, code, **values)


def log_in(store, settings, terminal_token=""):
    visit = Visit("203.0.113.7", "x", terminal_token)
    return service.log_in(store, settings, login="faguan", password=PASSWORD, visit=visit)


def find(store, clock, token):
    with store.read() as session:
        return queries.find_login(session, token, now_ms=clock.now_ms(), idle_s=7200)


def test_a_code_binds_one_browser_once(store, people, clock):
    made = register(store, people["anquan"])
    token, terminal = bind(store, made.code.lower().replace("-", " "))
    assert terminal.name == "值班台一号机"
    with store.read() as session:
        found = terminals.find_bound(session, token)
        assert found.id == made.terminal_id
        assert token not in found.model_dump_json()
        assert terminals.find_bound(session, token + "x") is None
    with pytest.raises(rules.WrongCodeError):
        bind(store, made.code)


def test_a_code_ends_after_a_day(store, people, clock):
    made = register(store, people["anquan"])
    clock.advance(ms=terminals.CODE_MS)
    with pytest.raises(rules.WrongCodeError):
        bind(store, made.code)


@pytest.mark.parametrize("login", ["guanli", "shenji", "faguan"])
def test_only_the_security_administrator_registers(store, people, login):
    with pytest.raises(ForbiddenError):
        register(store, people[login])
    with store.read() as session, pytest.raises(ForbiddenError):
        terminals.list_terminals(session, people[login])


def test_only_for_the_own_courts(store, people):
    with pytest.raises(ForbiddenError):
        register(store, people["anquan2"], court_code="云29")
    made = register(store, people["anquan"], court_code="云29")
    with pytest.raises(NotFoundError), store.write() as uow:
        terminals.revoke_terminal(uow, people["anquan2"], made.terminal_id)


def test_log_in_elsewhere_is_refused_where_everything_is_bound(store, people, settings, clock):
    bound = msgspec.structs.replace(settings, terminal_binding="all")
    with pytest.raises(rules.TerminalRequiredError, match="have the security administrator register"):
        log_in(store, bound)
    with store.write() as uow:
        code = terminals.add_terminal(uow, name="本机", room="", court_code="云29", by="system:cli:x").code
    token, _terminal = bind(store, code)
    login = find(store, clock, log_in(store, bound, token).token)
    assert login.terminal_court == "云29"


def test_a_terminal_of_another_county_does_not_serve(store, people, settings):
    token, _terminal = bind(store, register(store, people["anquan"], court_code="云2922").code)
    with pytest.raises(rules.TerminalRequiredError):
        log_in(store, msgspec.structs.replace(settings, terminal_binding="all"), token)


def test_binding_moves_the_log_in_of_that_browser_to_the_terminal(store, people, settings, clock):
    session_token = log_in(store, settings).token
    assert find(store, clock, session_token).terminal_court is None
    bind(store, register(store, people["anquan"]).code, session_token=session_token)
    login = find(store, clock, session_token)
    sessions.check_terminal(login.terminal_court, login.actor.court_code)


def test_a_revoked_terminal_is_none_at_the_next_request(store, people, settings, clock):
    made = register(store, people["anquan"])
    token, _terminal = bind(store, made.code)
    session_token = log_in(store, settings, token).token
    assert find(store, clock, session_token).terminal_court == "云2901"
    with store.write() as uow:
        terminals.revoke_terminal(uow, people["anquan"], made.terminal_id)
    login = find(store, clock, session_token)
    with pytest.raises(rules.TerminalRequiredError):
        sessions.check_terminal(login.terminal_court, login.actor.court_code)


def test_a_fresh_code_lets_the_old_browser_go(store, people, settings, clock):
    made = register(store, people["anquan"])
    token, _terminal = bind(store, made.code)
    session_token = log_in(store, settings, token).token
    with store.write() as uow:
        again = terminals.renew_code(uow, people["anquan"], made.terminal_id)
    with store.read() as session:
        assert terminals.find_bound(session, token) is None
    assert find(store, clock, session_token).terminal_court is None
    assert bind(store, again.code)[0] != token
    assert find(store, clock, session_token).terminal_court is None


def test_binding_another_browser_lets_the_log_ins_of_the_former_one_go(store, people, settings, clock):
    made = register(store, people["anquan"])
    former = log_in(store, settings, bind(store, made.code)[0]).token
    with store.write() as uow:  # a code that was written down and not used, as before renewing let anybody go
        row = uow.session.get(Terminal, made.terminal_id)
        row.enrol_hash, row.enrol_until_ms = hash_token("AGAIN"), clock.now_ms() + 1000
    new = log_in(store, settings).token
    bind(store, "AGAIN", session_token=new)
    assert find(store, clock, former).terminal_court is None
    assert find(store, clock, new).terminal_court == "云2901"


def test_wrong_codes_lock_the_address_and_fill_no_audit(store, people, clock, monkeypatch):
    monkeypatch.setattr(rules, "MAX_ADDRESS_FAILURES", 5)
    code = register(store, people["anquan"]).code
    for number in range(12):
        error = rules.WrongCodeError if number < 4 else rules.AddressLockedError
        with pytest.raises(error):
            bind(store, f"AAAA-{number}", client="2001:db8::7")
    with pytest.raises(rules.AddressLockedError):
        bind(store, code, client="2001:db8::8")  # the same network
    with store.read() as session:
        rows = session.exec(select(AuditEntry).where(AuditEntry.action == "people:terminal:refuse")).all()
    assert len(rows) == 5
    assert bind(store, code, client="203.0.113.7")
