"""The page of a lost kit: who sees which act, and what the page says at each step."""

from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from central.people import service as people
from contract import lost
from tests.central.web.conftest import HTML, PASSWORD, PATIENCE_S, csrf_of, enter

PAGE = "/kits/dl-2901-01"


@pytest.fixture
def another_commander(store, address):
    with store.write() as uow:
        people.add_user(
            uow, login="zhihui2", name="样例指挥长乙", role="commander", court_code="云29", password=PASSWORD,
            by="system:test",
        )  # fmt: skip
    with httpx.Client(base_url=address, headers=HTML, timeout=PATIENCE_S) as client:
        assert enter(client, "zhihui2") == 303
        client.headers["X-CSRF-Token"] = csrf_of(client, "/profile")
        yield client


def act(client, verb, **fields):
    answer = client.post(f"{PAGE}/lost/{verb}", data=fields)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}#lost"), answer.text
    return client.get(PAGE).text


def hand_over_permit(settings):
    """As `zhixing-provision permit-destruction` does; the kit is the one that judges it."""
    key = ec.generate_private_key(ec.SECP256R1())
    keys = [lost.key_digest(key.public_key())]
    permit = lost.DestructionPermit(kit_id=PAGE.rpartition("/")[2], keys=keys, issued_ms=1)
    folder = Path(settings.handover_dir)
    folder.mkdir(exist_ok=True)
    (folder / f"destroy-{permit.kit_id}.cbor").write_bytes(lost.sign_permit(key, permit))


def test_from_locking_to_the_order_that_destroys(log_in, kits, another_commander, settings):
    operator, commander, administrator = log_in("zhiban"), log_in("zhihui"), log_in("guanli")
    assert "装备遗失，立即锁定" in operator.get(PAGE).text
    assert "装备遗失，立即锁定" not in administrator.get(PAGE).text
    assert operator.post(f"{PAGE}/lost/lock", data={"reason": " "}).status_code == 422
    text = act(operator, "lock", reason="样例：遗落在<出租车>上")
    assert "已锁定" in text
    assert "遗落在&lt;出租车&gt;上" in text
    assert "提请销毁密钥" not in text.split("</header>")[-1].split('id="lost"')[1].split("</section>")[0]
    assert operator.post(f"{PAGE}/lost/ask", data={"reason": "x"}).status_code == 403
    text = act(commander, "ask", reason="无法找回")
    assert "待确认销毁" in text
    assert "确认销毁密钥，无法恢复" not in text, "not by who asked"
    refused = commander.post(f"{PAGE}/lost/confirm")
    assert refused.status_code in (403, 409)
    assert "确认销毁密钥，无法恢复" in administrator.get(PAGE).text
    assert "已锁定" in act(administrator, "withdraw")
    act(commander, "ask", reason="无法找回")
    refused = another_commander.post(f"{PAGE}/lost/confirm")
    assert (refused.status_code, "permit-destruction" in refused.text) == (409, True)
    hand_over_permit(settings)
    assert "已下达销毁" in act(another_commander, "confirm")
    text = act(operator, "unlock", reason="找回")
    assert "装备遗失，立即锁定" in text
    assert text.count("遗失处置") >= 3, "the orders stand in the mailbox"


def test_a_proof_of_the_person_is_asked_for_before_anything_is_destroyed(log_in, kits, clock):
    from central.people import rules

    operator, commander = log_in("zhiban"), log_in("zhihui")
    act(operator, "lock", reason="遗失")
    clock.advance(ms=rules.REAUTH_MS + 1)
    assert commander.post(f"{PAGE}/lost/ask", data={"reason": "x"}).status_code == 401
    assert operator.post(f"{PAGE}/lost/unlock", data={"reason": "找回"}).status_code == 303
