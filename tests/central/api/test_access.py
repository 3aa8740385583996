"""Who gets in: tokens, scopes, courts, and how often."""

import threading

import httpx
import pytest
from msgspec.structs import replace
from sqlmodel import select, update

from central.api.context import MAX_WAITING
from central.people.models import ServiceAccount
from central.people.scopes import SCOPES
from tests.central.api.conftest import add_account, check_problem
from tests.waiting import wait_until

# One resource for each scope that GET can use, without anything needed in the database.
READS = {"courts:read": "/courts", "cases:read": "/case-types", "changes:read": "/changes"}


def find_account(store, name):
    with store.read() as session:
        return session.exec(select(ServiceAccount).where(ServiceAccount.name == name)).one()


def change_account(store, name, **values):
    with store.write() as uow:
        uow.session.connection().execute(update(ServiceAccount).where(ServiceAccount.name == name).values(**values))


class TestToken:
    def test_without_one_nothing_is_told(self, open_client):
        answer = open_client().get("/courts")
        check_problem(answer, 401, "token-invalid")
        assert answer.headers["www-authenticate"] == 'Bearer realm="zhixing"'

    def test_wrong_ended_revoked_and_strange_ones_get_the_same_answer(self, open_client, store, clock, court_system):
        ended = add_account(store, "ended", days=1)
        revoked = add_account(store, "revoked")
        client = open_client()
        assert [client.get("/courts", headers=who.headers).status_code for who in (ended, revoked)] == [200, 200]
        change_account(store, "revoked", revoked_ms=clock.now_ms())
        clock.advance(s=86_400)
        proposed = add_account(store, "proposed")
        change_account(store, "proposed", admitted_ms=None)
        shown = [
            ended.token,
            revoked.token,
            proposed.token,
            "unknown",
            "x" * 5000,
            "a b",
            "%00",
            "'; DROP TABLE case;--",
        ]
        answers = [client.get("/courts", headers={"authorization": f"Bearer {token}"}) for token in shown]
        answers.append(client.get("/courts", headers={"authorization": "Bearer"}))
        answers.append(client.get("/courts", headers={"authorization": "Basic " + court_system.token}))
        answers.append(client.get("/courts", headers=[("authorization", f"Bearer {court_system.token}")] * 2))
        answers.append(client.get("/courts", headers={"authorization": "Bearer 令牌".encode()}))
        assert len({(answer.status_code, answer.text, answer.headers["www-authenticate"]) for answer in answers}) == 1
        check_problem(answers[0], 401, "token-invalid")

    def test_many_wrong_ones_slow_down_but_not_those_who_are_right(self, open_client, client):
        stranger = open_client()
        answers = [stranger.get("/courts", headers={"authorization": "Bearer no"}) for _ in range(25)]
        assert [answer.status_code for answer in answers] == [401] * 20 + [429] * 5
        check_problem(answers[-1], 429, "too-many-requests")
        assert client.get("/courts").status_code == 200

    def test_use_is_noted_once_a_minute(self, client, store, clock):
        first_ms = clock.now_ms()
        client.get("/courts")
        clock.advance(s=59)
        client.get("/courts")
        assert find_account(store, "court-system").used_ms == first_ms
        clock.advance(s=1)
        client.get("/courts")
        assert find_account(store, "court-system").used_ms == first_ms + 60_000


class TestScopes:
    @pytest.mark.parametrize("scope", READS)
    def test_one_scope_opens_its_resource_and_no_other(self, open_client, store, scope):
        client = open_client(add_account(store, "narrow", scopes=(scope,)))
        for needed, path in READS.items():
            answer = client.get(path)
            if needed == scope:
                assert answer.status_code == 200, answer.text
            else:
                check_problem(answer, 403, "scope-missing")
                assert f'error="insufficient_scope", scope="{needed}"' in answer.headers["www-authenticate"]

    @pytest.mark.parametrize("scope", READS)
    def test_all_scopes_but_one_do_not_open_it(self, open_client, store, scope):
        others = tuple(other for other in SCOPES if other != scope)
        client = open_client(add_account(store, "nearly", scopes=others))
        for needed, path in READS.items():
            assert client.get(path).status_code == (403 if needed == scope else 200)

    def test_a_scope_taken_away_counts_at_once(self, client, store):
        assert client.get("/courts").status_code == 200
        change_account(store, "court-system", scopes=["cases:read"])
        check_problem(client.get("/courts"), 403, "scope-missing")


class TestThrottle:
    @pytest.fixture
    def settings(self, settings):
        return replace(settings, api_rate_per_s=2)

    def test_an_account_that_asks_too_often_is_told_when_to_come_again(self, client, open_client, store, clock):
        answers = [client.get("/courts").status_code for _ in range(9)]
        assert answers == [200] * 8 + [429]
        answer = client.get("/courts")
        check_problem(answer, 429, "too-many-requests")
        assert answer.headers["retry-after"] == "1"
        assert open_client(add_account(store, "other")).get("/courts").status_code == 200
        clock.advance(s=0.5)
        assert client.get("/courts").status_code == 200
        assert client.get("/courts").status_code == 429


class TestWaiting:
    def test_only_so_many_long_polls_of_one_account(self, client, open_client, store, server, court_system):
        cursor = client.get("/changes").json()["next"]

        def wait():
            params = {"after": cursor, "wait": 30}
            httpx.get(server.url + "/api/v1/changes", params=params, headers=court_system.headers, timeout=40)

        waiting = [threading.Thread(target=wait, daemon=True) for _ in range(MAX_WAITING)]
        for thread in waiting:
            thread.start()
        context = server.app.state.context
        wait_until(lambda: context.waiting._taken["court-system"] == MAX_WAITING, 10, "all waiting")
        answer = client.get("/changes", params={"after": cursor, "wait": 1})
        check_problem(answer, 429, "too-many-waiting")
        assert open_client(add_account(store, "other")).get("/changes", params={"wait": 0}).status_code == 200
        server.stop()
        for thread in waiting:
            thread.join(5)
        assert not any(thread.is_alive() for thread in waiting)
        assert not context.waiting._taken
