import itertools
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from central.audit import queries as audit
from central.base.errors import ForbiddenError, InvalidInputError, NotFoundError
from central.courts import rules as courts
from central.courts.permissions import ROLES, Actor, may
from central.people import appointments, posts, service
from central.people.models import Appointment, User

pytestmark = pytest.mark.both_databases

DAY_MS = courts.DAY_MS
ENDS = st.one_of(st.none(), st.integers(0, 12))
PEOPLE = {
    "chief": ("bureau_chief", "云2901"),
    "vice": ("commander", "云2901"),
    "judge": ("judge", "云2901"),
    "clerk": ("clerk", "云2901"),
    "police": ("police", "云2901"),
    "admin": ("system_admin", "云2901"),
    "watcher": ("supervisor", "云2901"),
    "head": ("president", "云2901"),
    "uphead": ("president", "云29"),
    "upchief": ("bureau_chief", "云29"),
    "neighbour": ("bureau_chief", "云2922"),
}


@pytest.fixture
def people(store) -> dict[str, Actor]:
    """Specimen users; they hold no password as nobody logs in here."""
    with store.write() as uow:
        rows = {
            login: User(
                login=login, name=f"样例{login}", role=role, court_code=court, password_hash="", created_ms=1,
                admitted_ms=1,
            )
            for login, (role, court) in PEOPLE.items()
        }  # fmt: skip
        uow.session.add_all(rows.values())
        uow.session.flush()
    return {login: Actor(row.id, login, row.name, row.role, row.court_code) for login, row in rows.items()}


@pytest.fixture
def appoint(store, people):
    """Appoint somebody for some days from today on; as the court's president unless told otherwise."""

    def make(login, post="commander", *, days=(0, 10), by="head", court="云2901", basis="样例任字1号"):
        with store.write() as uow:
            return appointments.appoint(
                uow, people[by], court, post=post, login=login, from_ms=uow.now_ms + days[0] * DAY_MS,
                until_ms=None if days[1] is None else uow.now_ms + days[1] * DAY_MS, basis=basis,
            )  # fmt: skip

    return make


def commander(store, clock, *, days=0, court="云2901"):
    with store.read() as session:
        holder = appointments.serving_commander(session, court, clock.now_ms() + days * DAY_MS)
    return holder.login if holder else None


def posts_now(store, clock, person):
    with store.read() as session:
        return appointments.posts_of(session, person.user_id, clock.now_ms())


class TestAppoint:
    def test_an_acting_commander_has_the_rights_for_exactly_that_time(self, store, clock, people, appoint):
        def acting():
            chief = people["chief"]
            return Actor(
                chief.user_id, chief.login, chief.name, chief.role, chief.court_code, posts_now(store, clock, chief)
            )

        assert not may(acting(), "close_incident")
        appoint("chief", days=(2, 5))
        rights = []
        for _ in range(7):
            rights.append(may(acting(), "close_incident"))
            clock.advance(ms=DAY_MS)
        assert rights == [False, False, True, True, True, False, False]
        clock.advance(ms=-2 * DAY_MS - 1)
        assert may(acting(), "close_incident")
        clock.advance(ms=1)
        assert not may(acting(), "close_incident")

    def test_the_serving_commander_is_found_at_any_moment(self, store, clock, appoint):
        appoint("chief", days=(0, 5))
        appoint("vice", days=(5, None))
        assert [commander(store, clock, days=days) for days in (-1, 0, 4, 5, 999)] == [
            None,
            "chief",
            "chief",
            "vice",
            "vice",
        ]
        assert commander(store, clock, court="云29") is None

    def test_it_is_audited_with_its_paper(self, store, appoint, people):
        row = appoint("chief")
        with store.read() as session:
            entry = audit.list_entries(session, court_prefix="云2901", limit=1)[0]
        assert (entry.action, entry.subject, entry.purpose) == ("people:appointment:make", "chief", "样例任字1号")
        assert entry.actor == "user:head"
        assert row.made_by == "user:head"

    def test_a_superior_president_appoints_below(self, store, clock, appoint):
        appoint("chief", by="uphead")
        assert commander(store, clock) == "chief"

    @pytest.mark.parametrize(
        ("login", "post", "by", "court", "error"),
        [
            ("chief", "commander", "vice", "云2901", ForbiddenError),
            ("chief", "commander", "admin", "云2901", ForbiddenError),
            ("upchief", "commander", "head", "云29", ForbiddenError),
            ("neighbour", "commander", "head", "云2922", ForbiddenError),
            ("neighbour", "commander", "head", "云2901", posts.UnfitForPostError),
            ("upchief", "commander", "uphead", "云2901", posts.UnfitForPostError),
            ("chief", "commander", "uphead", "云29", posts.UnfitForPostError),
            ("admin", "commander", "head", "云2901", posts.UnfitForPostError),
            ("watcher", "duty_operator", "head", "云2901", posts.UnfitForPostError),
            ("clerk", "seal_keeper", "head", "云2901", posts.UnfitForPostError),
            ("head", "commander", "head", "云2901", posts.SelfAppointmentError),
            ("nobody", "commander", "head", "云2901", NotFoundError),
            ("chief", "president", "head", "云2901", InvalidInputError),
            ("chief", "commander", "uphead", "云2999", NotFoundError),
        ],
    )
    def test_who_may_appoint_whom_to_what(self, appoint, login, post, by, court, error):
        with pytest.raises(error):
            appoint(login, post, by=by, court=court)

    @pytest.mark.parametrize(
        ("days", "error"),
        [((-1, 5), courts.BackdatedError), ((3, 3), courts.TermError), ((3, 2), courts.TermError)],
    )
    def test_impossible_times(self, appoint, days, error):
        with pytest.raises(error):
            appoint("chief", days=days)

    def test_a_paper_must_be_named(self, appoint):
        with pytest.raises(courts.TextLengthError):
            appoint("chief", basis=" ")

    @pytest.mark.parametrize("days", [(0, 10), (0, 3), (9, 12), (3, 4), (0, None), (9, None)])
    def test_one_serving_commander_per_centre(self, appoint, days):
        appoint("chief", days=(2, 10))
        with pytest.raises(courts.PostTakenError, match="样例chief"):
            appoint("vice", days=days)

    def test_the_next_begins_where_the_last_ends(self, appoint):
        appoint("chief", days=(2, 10))
        appoint("vice", days=(0, 2))
        appoint("vice", days=(10, None))

    def test_another_court_has_its_own(self, store, clock, appoint):
        appoint("chief")
        appoint("neighbour", court="云2922", by="uphead")
        assert commander(store, clock, court="云2922") == "neighbour"

    def test_two_may_act_as_operators_but_nobody_twice(self, store, clock, people, appoint):
        appoint("clerk", "duty_operator")
        appoint("police", "duty_operator")
        with pytest.raises(courts.PostTakenError):
            appoint("clerk", "duty_operator", days=(9, 20))
        assert posts_now(store, clock, people["clerk"]) == {"duty_operator"}

    def test_two_presidents_at_once_make_one_commander(self, store, people):
        barrier, outcomes = threading.Barrier(2), []

        def appoint_too(login):
            barrier.wait()
            try:
                with store.write() as uow:
                    appointments.appoint(
                        uow, people["head"], "云2901", post="commander", login=login, from_ms=uow.now_ms,
                        until_ms=None, basis="样例",
                    )  # fmt: skip
                outcomes.append("made")
            except courts.PostTakenError:
                outcomes.append("taken")

        threads = [threading.Thread(target=appoint_too, args=(login,)) for login in ("chief", "vice")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["made", "taken"]


class TestEnd:
    def end(self, store, actor, row, *, days=None):
        with store.write() as uow:
            until_ms = None if days is None else uow.now_ms + days * DAY_MS
            return appointments.end_appointment(uow, actor, row.id, until_ms=until_ms, basis="样例免字2号")

    def test_it_ends_now_and_the_next_can_begin_today(self, store, clock, people, appoint):
        row = appoint("chief")
        clock.advance(ms=DAY_MS)
        self.end(store, people["head"], row)
        assert commander(store, clock) is None
        assert posts_now(store, clock, people["chief"]) == frozenset()
        appoint("vice", days=(0, None))
        assert commander(store, clock) == "vice"
        assert commander(store, clock, days=-1) == "chief"
        with store.read() as session:
            entries = audit.list_entries(session, court_prefix="云2901", action_prefix="people:appointment:end")
        assert [(entry.subject, entry.purpose) for entry in entries] == [("chief", "样例免字2号")]

    def test_it_ends_on_a_day_to_come(self, store, clock, people, appoint):
        row = self.end(store, people["uphead"], appoint("chief", days=(0, None)), days=3)
        assert [commander(store, clock, days=days) for days in (2, 3)] == ["chief", None]
        assert row.ended_by == "user:uphead"

    def test_one_not_begun_yet_never_begins(self, store, clock, people, appoint):
        self.end(store, people["head"], appoint("chief", days=(5, 9)))
        assert {commander(store, clock, days=days) for days in range(12)} == {None}
        appoint("vice", days=(0, None))

    def test_an_end_is_never_put_off(self, store, people, appoint):
        row = appoint("chief", days=(0, 5))
        for days in (5, 8):
            with pytest.raises(posts.AppointmentEndedError):
                self.end(store, people["head"], row, days=days)
        self.end(store, people["head"], row)
        with pytest.raises(posts.AppointmentEndedError):
            self.end(store, people["head"], row)

    def test_only_who_appoints_ends(self, store, people, appoint):
        row = appoint("chief")
        for login in ("chief", "vice", "admin", "neighbour"):
            with pytest.raises(ForbiddenError):
                self.end(store, people[login], row)
        with pytest.raises(NotFoundError), store.write() as uow:
            appointments.end_appointment(uow, people["head"], "0" * 32, basis="样例")


class TestWhoServesNoLonger:
    @pytest.mark.parametrize(
        "change",
        [
            {"disabled_ms": 1},
            {"court_code": "云2922"},
            {"role": "judge"},
            {"role": "system_admin"},
            {"admitted_ms": None},
        ],
    )
    def test_disabled_moved_or_of_another_role(self, store, clock, people, appoint, change):
        appoint("chief", days=(0, None))
        with store.write() as uow:
            uow.connection.execute(update(User).where(col(User.login) == "chief").values(**change))
        assert commander(store, clock) is None
        assert posts_now(store, clock, people["chief"]) == frozenset()
        with store.read() as session:
            (row,) = appointments.list_appointments(session, people["head"], "云2901", now_ms=clock.now_ms())
            assert appointments.list_commanders(session, people["uphead"], clock.now_ms()) == {}
        assert not row.is_fit

    def test_everything_of_a_person_is_ended_at_once(self, store, clock, people, appoint):
        appoint("clerk", "duty_operator")
        appoint("clerk", "duty_operator", days=(20, 30))
        with store.write() as uow:
            assert appointments.end_all_of(uow, people["clerk"].user_id, by="user:anquan") == 2
            assert appointments.end_all_of(uow, people["clerk"].user_id, by="user:anquan") == 0
        with store.read() as session:
            rows = session.exec(select(Appointment)).all()
            entries = audit.list_entries(session, court_prefix="云2901", action_prefix="people:appointment:lapse")
        assert {row.ended_by for row in rows} == {"user:anquan"}
        assert len(entries) == 2

    def test_disabling_an_account_ends_its_appointments(self, store, clock, appoint):
        appoint("chief", days=(0, None))
        with store.write() as uow:
            service.disable_user(uow, login="chief", by="user:anquan")
        with store.read() as session:
            (row,) = session.exec(select(Appointment)).all()
        assert (row.until_ms, row.ended_by) == (clock.now_ms(), "user:anquan")
        appoint("vice", days=(0, None))


class TestReads:
    def test_every_court_of_the_actor_with_its_commander(self, store, clock, people, appoint):
        appoint("chief")
        appoint("neighbour", court="云2922", by="uphead")
        with store.read() as session:
            found = appointments.list_commanders(session, people["uphead"], clock.now_ms())
            own = appointments.list_commanders(session, people["judge"], clock.now_ms())
            with pytest.raises(NotFoundError):
                appointments.list_appointments(session, people["judge"], "云2922", now_ms=clock.now_ms())
        assert {court: holder.name for court, holder in found.items()} == {
            "云2901": "样例chief",
            "云2922": "样例neighbour",
        }
        assert list(own) == ["云2901"]

    def test_candidates_are_people_of_the_court_who_fit_somewhere(self, store, people):
        with store.read() as session:
            found = appointments.list_candidates(session, people["head"], "云2901")
            with pytest.raises(ForbiddenError):
                appointments.list_candidates(session, people["chief"], "云2901")
        assert {user.login for user in found} == {"chief", "vice", "judge", "clerk", "police"}


def test_posts_are_never_joined_to_what_is_kept_apart():
    for post, roles in posts.HOLDERS.items():
        assert not roles & {"system_admin", "security_admin", "audit_admin", "supervisor", "liaison", "president"}
        assert roles <= set(ROLES)
        assert post in ROLES
    assert not posts.HOLDERS["seal_keeper"] & {"judge", "clerk", "bureau_chief", "commander"}
    assert posts.posts_for("judge") == ("bureau_chief", "duty_operator")
    assert posts.posts_for("audit_admin") == ()


class TestDatabaseItself:
    """What a program with a mistake in it, or a hand at the console, could do."""

    def insert(self, store, people, row_id, from_ms, until_ms, *, post="commander", court="云2901"):
        with store.write() as uow:
            uow.session.add(
                Appointment(
                    id=row_id, court_code=court, post=post, user_id=people["chief"].user_id, from_ms=from_ms,
                    until_ms=until_ms, basis="样例", made_by="user:x", made_ms=1,
                )
            )  # fmt: skip

    def test_every_pair_of_times(self, store, people):
        times = [(2, 5), (5, 8), (0, 2), (0, 3), (4, 9), (3, 4), (0, None), (5, None), (4, None), (3, 3), (2, 2)]
        for number, (one, other) in enumerate(itertools.product(times, repeat=2)):
            court = f"云29{22 + number % 11}"
            self.insert(store, people, f"a{number}", *one, court=court)
            if courts.overlaps(one, other):
                with pytest.raises(IntegrityError, match="one serving commander"):
                    self.insert(store, people, f"b{number}", *other, court=court)
            else:
                self.insert(store, people, f"b{number}", *other, court=court)
            with store.write() as uow:
                uow.connection.exec_driver_sql("DELETE FROM appointment")

    def test_an_update_cannot_make_a_second_one_either(self, store, people):
        self.insert(store, people, "a", 0, 5)
        self.insert(store, people, "b", 5, 9)
        self.insert(store, people, "c", 0, 9, post="bureau_chief")
        for statement in (
            "UPDATE appointment SET until_ms = NULL WHERE id = 'a'",
            "UPDATE appointment SET from_ms = 4 WHERE id = 'b'",
            "UPDATE appointment SET post = 'commander' WHERE id = 'c'",
        ):
            with pytest.raises(IntegrityError, match="one serving commander"), store.write() as uow:
                uow.connection.exec_driver_sql(statement)
        with store.write() as uow:
            uow.connection.exec_driver_sql("UPDATE appointment SET until_ms = 4 WHERE id = 'a'")

    def test_no_time_ends_before_it_begins(self, store, people):
        with pytest.raises(IntegrityError, match="ck_appointment_term"):
            self.insert(store, people, "a", 5, 4)

    def test_two_writers_without_our_lock(self, store, people):
        """PostgreSQL lets two transactions write at once; here the second waits for the first and is refused."""
        statement = (
            "INSERT INTO appointment (id, court_code, post, user_id, from_ms, basis, made_by, made_ms, ended_by) "
            f"VALUES ('%s', '云2901', 'commander', '{people['chief'].user_id}', 0, '', '', 0, '')"
        )
        refused = []

        def write_second():
            try:
                with store.engine.begin() as second:
                    second.exec_driver_sql(statement % "b")
            except IntegrityError as error:
                refused.append(str(error))

        thread = threading.Thread(target=write_second)
        with store.engine.begin() as first:
            first.exec_driver_sql(statement % "a")
            thread.start()
            thread.join(0.5)
            assert thread.is_alive()
        thread.join(10)
        assert len(refused) == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["chief", "vice"]), st.integers(0, 9), ENDS), max_size=8))
def test_whatever_is_tried_a_moment_has_one_commander(store, clock, people, appoint, tries):
    for login, start, end in tries:
        try:
            appoint(login, days=(start, end))
        except (courts.PostTakenError, courts.TermError):
            continue
    with store.read() as session:
        rows = session.exec(select(Appointment).where(Appointment.court_code == "云2901")).all()
    for moment in range(14):
        at_ms = clock.now_ms() + moment * DAY_MS
        assert sum(courts.holds_at(row.from_ms, row.until_ms, at_ms) for row in rows) <= 1
    with store.write() as uow:
        uow.connection.exec_driver_sql("DELETE FROM appointment")
