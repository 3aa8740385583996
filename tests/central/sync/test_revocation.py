"""A revocation is in force within a second at broker and door, whatever the database is doing meanwhile."""

import contextlib
import http.client
import sqlite3
import time

import pytest

from contract import door_auth
from tests.central.sync.kit_client import fix_item
from tests.waiting import wait_until

LIMIT_S = 1.0


@pytest.fixture(scope="module")
def served(centre):
    centre.start("door")
    centre.wait_port(centre.settings.door_port)
    return centre


@contextlib.contextmanager
def database_held(centre):
    """Nobody can commit meanwhile, as when a large import or a slow disk has the write lock."""
    connection = sqlite3.connect(centre.folder / "data" / "centre.db", isolation_level=None, timeout=10)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


def revoke(centre, kit_id):
    centre.revoked.add(kit_id)
    centre.write_registry()
    return time.monotonic()


@pytest.mark.by_the_clock
def test_session_request_and_reconnection_end_within_a_second_while_the_database_is_held(served):
    session, door = served.connect("dl-2901-01"), served.door("dl-2901-01")
    session.send("position", [fix_item(1)])
    session.wait_receipted(1)
    assert door.request("GET", "/v1/trust").status == 200
    with database_held(served):
        began = revoke(served, "dl-2901-01")
        assert session.lost.wait(LIMIT_S), "the live session was not cut in time"
        cut_s = time.monotonic() - began
        answer = wait_until(
            lambda: reply if (reply := door.request("GET", "/v1/trust")).status == 403 else None, 5, "the refusal"
        )
        refused_s = time.monotonic() - began
        assert answer.problem["type"] == door_auth.REVOKED
        again = served.connect("dl-2901-01", wait=False)
        assert again.refused.wait(5)
        assert not again.connected.is_set()
    assert max(cut_s, refused_s) < LIMIT_S, (cut_s, refused_s)
    wait_until(
        lambda: served.scalar("SELECT revoked_ms FROM kit WHERE kit_id = 'dl-2901-01'"), 10, "the database to know"
    )
    assert door.request("GET", "/v1/trust").status == 403


@pytest.mark.by_the_clock
def test_an_upload_is_cut_in_the_middle_of_its_body(served):
    door = served.door("dl-2901-02")
    path = door_auth.chain_path(bytes(16))
    token = door.token("POST", path, b"x" * 1000)
    connection = http.client.HTTPSConnection("127.0.0.1", door.port, context=door._context, timeout=10)
    with contextlib.closing(connection):
        connection.putrequest("POST", path)
        connection.putheader("Authorization", f"Bearer {token}")
        connection.putheader("Content-Length", "1000")
        connection.endheaders(b"x" * 10)
        time.sleep(0.3)  # it is being received by now; nothing tells us so
        began = revoke(served, "dl-2901-02")
        response = connection.getresponse()
        body = response.read()
        assert response.status == 403, body
        assert door_auth.REVOKED.encode() in body
        assert response.getheader("Connection") == "close"
    assert time.monotonic() - began < LIMIT_S


def test_a_superseded_certificate_is_cut_and_the_kit_s_next_one_let_in(served):
    old, kit_id = served.kits["yb-2922-01"], "yb-2922-01"
    session = served.connect(kit_id)
    served.kits[kit_id] = served.pki.kit(kit_id)
    served.revoked_serials[kit_id] = [old.serial]
    served.write_registry()
    assert session.lost.wait(LIMIT_S)
    refused = served.connect(kit_id, old, wait=False)
    assert refused.refused.wait(5)
    refused.close()
    fresh = served.connect(kit_id)
    fresh.send("position", [fix_item(1)])
    fresh.wait_receipted(1)


def test_a_session_that_outlived_the_intake_is_cut_when_the_next_one_starts(new_centre):
    centre = new_centre()
    centre.start_wire()
    session = centre.connect("dl-2901-01")
    old = centre.kits["dl-2901-01"]
    centre.kill("intake")
    centre.kits["dl-2901-01"] = centre.pki.kit("dl-2901-01")
    centre.revoked_serials["dl-2901-01"] = [old.serial]
    centre.write_registry()
    assert not session.lost.wait(0.5), "with no intake nobody is there to cut it"
    centre.start("intake")
    assert session.lost.wait(15)
