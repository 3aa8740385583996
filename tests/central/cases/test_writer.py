"""Cases stored by the batch: what is written, what is sealed, what a newer word of the source changes."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from sqlmodel import select

from central.audit.models import AuditEntry
from central.base.keyring import load_keyring
from central.cases.catalogue import load_catalogue
from central.cases.change_models import CaseChange
from central.cases.drafts import CaseCourtError, CaseDraft, CaseHeldError, DuplicateCaseError, Outcome, draft_text
from central.cases.foresight import CaseWorkedHereError
from central.cases.models import CaseAct, CaseEntry, CaseNode, CaseTerm, EnforcementCase, Party
from central.cases.numbers import parse_case_no
from central.cases.parties import PartyDraft, check_party
from central.cases.rewriting import move_identities
from central.cases.rows import ID_FIELD, PRIVATE_FIELD
from central.cases.terms import block_of, identity_term, name_terms, serial_term
from central.cases.writer import DIGEST_KIND, rewrite_parties, store_cases
from central.people.models import User

pytestmark = pytest.mark.both_databases

RESIDENT, OTHER_RESIDENT = "999999199001010016", "99999919900101018X"
PHONE, ADDRESS, ACCOUNT = "000-12345678", "样例县样例镇样例村7号", "0000998877665544332"


@pytest.fixture
def keyring(tmp_path):
    return load_keyring(tmp_path / "keys")


@pytest.fixture
def store_drafts(store, keyring):
    def run(*drafts, source="case-system", actor="user:shuji"):
        with store.write() as uow:
            return store_cases(uow, keyring, load_catalogue(), drafts, source=source, actor=actor)

    return run


def draft(serial=1, **changes):
    parties = (
        check_party(
            PartyDraft("applicant", "organisation", "大理样例商贸（样例）有限公司", "uscc", "91999999MA00000079")
        ),
        check_party(PartyDraft("executee", "natural", "样例秀英", "", RESIDENT, PHONE, ADDRESS, ACCOUNT)),
    )
    values = {
        "number": parse_case_no(f"（2026）云2901执{serial}号"), "filed_on": date(2026, 11, 2), "parties": parties,
        "cause": "样例买卖合同纠纷", "claim_fen": 1_000_00, "state": "active",
        "nodes_done": {"assign": date(2026, 11, 3)},
    }  # fmt: skip
    return CaseDraft(**{**values, **changes})


def rows_of(store, table, **wanted):
    with store.read() as session:
        query = select(table)
        for name, value in wanted.items():
            query = query.where(getattr(table, name) == value)
        return list(session.exec(query).all())


def case_of(store, serial=1):
    return rows_of(store, EnforcementCase, case_no=f"（2026）云2901执{serial}号")[0]


def terms_of(store, case):
    return {row.term for row in rows_of(store, CaseTerm, case_id=case.case_id)}


def test_a_case_is_written_whole(store, store_drafts, keyring):
    assert store_drafts(draft(), draft(2)) == [Outcome.CREATED, Outcome.CREATED]
    case = case_of(store)
    assert (case.court_code, case.type_code, case.year, case.seq) == ("云2901", "执", 2026, 1)
    assert (case.state, case.filed_day, case.version) == ("active", date(2026, 11, 2).toordinal(), 1)
    assert (case.source, case.is_flagged, case.is_non_litigation) == ("case-system", False, False)
    applicant, executee = rows_of(store, Party, case_id=case.case_id)
    assert (applicant.position, applicant.role, executee.position, executee.name) == (1, "applicant", 2, "样例秀英")
    assert keyring.open(ID_FIELD, executee.party_id, executee.id_cipher) == RESIDENT
    private = json.loads(keyring.open(PRIVATE_FIELD, executee.party_id, executee.private_cipher))
    assert private == {"phone": PHONE, "address": ADDRESS, "account": ACCOUNT}
    assert executee.id_index == keyring.blind_index(ID_FIELD, RESIDENT)
    nodes = {node.kind: node for node in rows_of(store, CaseNode, case_id=case.case_id)}
    assert nodes["assign"].done_on == date(2026, 11, 3)
    assert nodes["assign"].done_by == "user:shuji"
    assert nodes["whole_case"].due_on == case.limit_on == date(2027, 5, 2)
    assert (case.due_on, case.due_node) == (date(2026, 11, 7), "inquiry")
    (entry,) = rows_of(store, CaseEntry, case_id=case.case_id)
    assert (entry.kind, entry.detail) == ("imported", {"version": 1, "source": "case-system"})
    assert [row.kind for row in rows_of(store, CaseChange, case_id=case.case_id)] == ["created"]


def test_a_case_is_found_by_names_numbers_and_serial(store, store_drafts, keyring):
    store_drafts(draft(77))
    case = case_of(store, 77)
    rows = rows_of(store, CaseTerm, case_id=case.case_id)
    expected = name_terms(["大理样例商贸（样例）有限公司", "样例秀英"]) | {serial_term(77)}
    expected |= {identity_term(keyring.blind_index(ID_FIELD, number)) for number in (RESIDENT, "91999999MA00000079")}
    assert {row.term for row in rows} == expected
    assert {row.block for row in rows} == {block_of(case.case_id)}


def test_one_audit_row_tells_of_the_batch(store, store_drafts):
    store_drafts(draft(1), draft(2, number=parse_case_no("（2026）云2922执2号")))
    rows = [row for row in rows_of(store, AuditEntry) if row.action == "cases:batch:store"]
    (row,) = rows
    assert (row.actor, row.court_code, row.subject) == ("user:shuji", "云29", "source:case-system")
    assert (row.detail["created"], row.detail["updated"], row.detail["unchanged"]) == (2, 0, 0)
    store_drafts(draft(1))
    assert len([row for row in rows_of(store, AuditEntry) if row.action == "cases:batch:store"]) == 1


def test_storing_again_changes_nothing(store, store_drafts):
    store_drafts(draft(), draft(2))
    before = case_of(store)
    assert store_drafts(draft(), draft(2), draft(3)) == [Outcome.UNCHANGED, Outcome.UNCHANGED, Outcome.CREATED]
    assert case_of(store) == before
    assert len(rows_of(store, CaseEntry)) == 3


def test_the_digest_is_keyed(store, store_drafts, keyring, tmp_path):
    """Whoever has the database alone cannot try identity numbers against the digest."""
    store_drafts(draft())
    digest = case_of(store).source_digest
    assert digest == keyring.blind_index(DIGEST_KIND, draft_text(draft()))
    assert digest != load_keyring(tmp_path / "other").blind_index(DIGEST_KIND, draft_text(draft()))


def test_numbers_go_on_after_rows_of_the_object_mapper(store, store_drafts):
    store_drafts(draft(1))
    with store.write() as uow:
        case = uow.session.exec(select(EnforcementCase)).one()
        own = {"role": "other", "kind": "natural", "name": "样例丙"}
        uow.session.add(Party(case_id=case.case_id, position=3, **own))
        uow.session.flush()
    store_drafts(draft(2), draft(3))
    with store.write() as uow:
        uow.session.add(Party(case_id=case.case_id, position=4, **own))
    ids = [row.party_id for row in rows_of(store, Party)]
    assert len(ids) == len(set(ids)) == 8


def test_a_case_twice_in_a_batch_is_refused_whole(store, store_drafts):
    with pytest.raises(DuplicateCaseError) as refused:
        store_drafts(draft(1), draft(2), draft(1))
    assert refused.value.params["case_no"] == "（2026）云2901执1号"
    assert rows_of(store, EnforcementCase) == []


def test_an_unknown_court_is_named(store, store_drafts):
    with pytest.raises(CaseCourtError) as refused:
        store_drafts(draft(number=parse_case_no("（2026）川0104执1号")))
    assert refused.value.params == {"case_no": "（2026）川0104执1号", "court_code": "川0104"}


def test_an_old_number_belongs_to_one_court(store, store_drafts):
    old = parse_case_no("（2012）执字第5号", legacy_court="云2901")
    store_drafts(draft(number=old))
    with pytest.raises(CaseHeldError):
        store_drafts(draft(number=replace(old, court_code="云2922")))


def test_the_handler_is_found_by_login_or_by_a_name_nobody_shares(store, store_drafts):
    with store.write() as uow:
        for login, name, court in (
            ("judge1", "样例法官甲", "云2901"), ("judge2", "样例法官乙", "云2901"),
            ("judge3", "样例法官乙", "云2901"), ("judge4", "样例法官甲", "云2922"),
        ):  # fmt: skip
            uow.session.add(
                User(
                    id=login,
                    login=login,
                    name=name,
                    role="judge",
                    court_code=court,
                    password_hash="",
                    created_ms=1,
                    admitted_ms=1,
                )
            )
    store_drafts(
        draft(1, handler_login="judge2", handler_name="别名"),
        draft(2, handler_name="样例法官甲"),
        draft(3, handler_name="样例法官乙"),
        draft(4, handler_name="样例法官丙"),
    )
    handlers = [(case_of(store, n).handler_id, case_of(store, n).handler_name) for n in (1, 2, 3, 4)]
    assert handlers == [
        ("judge2", "样例法官乙"), ("judge1", "样例法官甲"), (None, "样例法官乙"), (None, "样例法官丙"),
    ]  # fmt: skip


def test_a_newer_word_replaces_what_the_source_decides(store, store_drafts, keyring):
    store_drafts(draft())
    before = case_of(store)
    newer = draft(
        cause="样例借款合同纠纷", received_fen=500_00, filed_on=date(2026, 11, 1),
        parties=(
            check_party(PartyDraft("executee", "natural", "样例秀英", "", RESIDENT, PHONE)),
            check_party(PartyDraft("executee", "natural", "样例志强", "", OTHER_RESIDENT)),
        ),
        nodes_done={"assign": date(2026, 11, 3), "inquiry": date(2026, 11, 5)},
    )  # fmt: skip
    kept = {row.name: row.party_id for row in rows_of(store, Party)}
    assert store_drafts(newer) == [Outcome.UPDATED]
    case = case_of(store)
    assert (case.case_id, case.version, case.cause, case.received_fen) == (
        before.case_id, 2, "样例借款合同纠纷", 500_00,
    )  # fmt: skip
    assert (case.filed_on, case.filed_day) == (date(2026, 11, 1), date(2026, 11, 1).toordinal())
    parties = {row.name: row for row in rows_of(store, Party)}
    assert set(parties) == {"样例秀英", "样例志强"}
    assert parties["样例秀英"].party_id == kept["样例秀英"]
    private = keyring.open(PRIVATE_FIELD, kept["样例秀英"], parties["样例秀英"].private_cipher)
    assert json.loads(private) == {"phone": PHONE}
    expected = name_terms(parties) | {serial_term(1)}
    expected |= {identity_term(keyring.blind_index(ID_FIELD, number)) for number in (RESIDENT, OTHER_RESIDENT)}
    assert terms_of(store, case) == expected
    nodes = {row.kind: row for row in rows_of(store, CaseNode)}
    assert nodes["inquiry"].done_on == date(2026, 11, 5)
    assert case.due_node == "notice"
    entry = rows_of(store, CaseEntry, kind="updated")[0]
    assert entry.detail["version"] == 2
    assert {"cause", "received_fen", "filed_on"} <= set(entry.detail["fields"])
    assert [row.kind for row in rows_of(store, CaseChange)] == ["created", "updated"]
    assert store_drafts(newer) == [Outcome.UNCHANGED]


def test_a_newer_word_keeps_what_was_done_here(store, store_drafts):
    store_drafts(draft(state="filed", nodes_done={}, handler_name="样例法官旧"))
    with store.write() as uow:
        case = uow.session.exec(select(EnforcementCase)).one()
        case.state, case.handler_name = "active", "样例法官新"
        uow.session.add(CaseEntry(case_id=case.case_id, at_ms=1, kind="assigned", actor="user:chief", detail={}))
        node = uow.session.exec(select(CaseNode).where(CaseNode.kind == "notice")).one()
        node.done_on, node.done_by = date(2026, 11, 4), "user:judge"
    changed = draft(
        state="assigned", claim_fen=5, handler_name="样例法官旧", nodes_done={"notice": date(2026, 11, 9)}
    )
    store_drafts(changed)
    case = case_of(store)
    assert (case.state, case.handler_name, case.claim_fen) == ("active", "样例法官新", 5)
    (notice,) = rows_of(store, CaseNode, kind="notice")
    assert (notice.done_on, notice.done_by) == (date(2026, 11, 4), "user:judge")


def test_the_source_may_close_a_case(store, store_drafts):
    store_drafts(draft())
    store_drafts(draft(state="closed", closing="terminated_for_now", closed_on=date(2026, 11, 20)))
    case = case_of(store)
    assert (case.state, case.closing, case.closed_on) == ("closed", "terminated_for_now", date(2026, 11, 20))
    assert (case.due_node, case.due_on, case.limit_on) == ("recheck", date(2027, 5, 20), None)


def test_a_closing_signed_here_stands(store, store_drafts):
    store_drafts(draft())
    with store.write() as uow:
        case = uow.session.exec(select(EnforcementCase)).one()
        case.state, case.closing, case.closed_on = "closed", "completed", date(2026, 11, 18)
        act = {"kind": "close", "state": "done", "drafted_by": "judge", "drafted_ms": 1, "court_code": "云2901"}
        uow.session.add(CaseAct(case_id=case.case_id, **act))
    for said in ({"state": "closed", "closing": "terminated", "closed_on": date(2026, 11, 20)}, {"state": "active"}):
        with pytest.raises(CaseWorkedHereError):
            store_drafts(draft(claim_fen=7, **said))
    assert (case_of(store).state, case_of(store).closing, case_of(store).claim_fen) == (
        "closed",
        "completed",
        1_000_00,
    )


def test_a_suspension_the_source_told_of_ends_by_its_word(store, store_drafts):
    store_drafts(draft(state="suspended"))
    assert case_of(store).due_on is None
    store_drafts(draft(state="active"))
    assert (case_of(store).state, case_of(store).due_node) == ("active", "inquiry")


def test_parties_of_one_case_are_rewritten(store, store_drafts, keyring):
    store_drafts(draft(1), draft(2))
    with store.write() as uow:
        case = uow.session.exec(select(EnforcementCase).where(EnforcementCase.seq == 1)).one()
        rewrite_parties(uow, keyring, case, [check_party(PartyDraft("executee", "natural", "样例改名"))])
    assert [row.name for row in rows_of(store, Party, case_id=case.case_id)] == ["样例改名"]
    assert terms_of(store, case) == name_terms(["样例改名"]) | {serial_term(1)}
    assert len(rows_of(store, Party)) == 3


@pytest.mark.sqlite_only
def test_a_lost_database_file_reveals_no_private_data(store, store_drafts, database):
    """Issue point 8: identity numbers, telephones, addresses and accounts stand nowhere in the clear."""
    for serial in range(1, 40):
        store_drafts(draft(serial), source="case-system")
    store_drafts(draft(1, claim_fen=3))
    raw = b"".join(path.read_bytes() for path in Path(database).parent.glob("centre.db*"))
    assert "样例秀英".encode() in raw, "the test reads the right file"
    for secret in (RESIDENT, PHONE, ADDRESS, ACCOUNT, RESIDENT[6:14], PHONE[4:]):
        for coding in ("utf-8", "utf-16-le", "gb18030"):
            assert secret.encode(coding) not in raw
        assert secret.encode().hex().encode() not in raw
    told = [*rows_of(store, AuditEntry), *rows_of(store, CaseEntry), *rows_of(store, CaseChange)]
    assert told
    for row in told:
        text = row.model_dump_json(exclude={"hash", "prev_hash"})
        assert not any(secret in text for secret in (RESIDENT, PHONE, ADDRESS, ACCOUNT))


def test_a_draft_that_says_nothing_new_changes_nothing_under_another_digest(store, store_drafts):
    store_drafts(draft(1), draft(2, state="closed", closing="completed", closed_on=date(2026, 11, 20)))
    with store.write() as uow:
        for case in uow.session.exec(select(EnforcementCase)).all():
            case.source_digest = b"of an older key!"
    closed = draft(2, state="closed", closing="completed", closed_on=date(2026, 11, 20))
    assert store_drafts(draft(1), closed) == [Outcome.UNCHANGED, Outcome.UNCHANGED]
    assert case_of(store).version == 1
    assert case_of(store).source_digest != b"of an older key!"
    assert len(rows_of(store, CaseChange)) == 2


def test_new_index_keys_move_what_a_case_is_found_by(store, store_drafts, keyring):
    store_drafts(draft())
    case = case_of(store)
    with store.write() as uow:
        moves = [
            (party.party_id, party.id_index, bytes([party.position]) * 16)
            for party in uow.session.exec(select(Party)).all()
        ]
        for _ in range(2):  # begun again after it was killed
            move_identities(uow.connection, moves)
    expected = name_terms(["大理样例商贸（样例）有限公司", "样例秀英"]) | {serial_term(1)}
    assert terms_of(store, case) == expected | {identity_term(b"\x01" * 16), identity_term(b"\x02" * 16)}
