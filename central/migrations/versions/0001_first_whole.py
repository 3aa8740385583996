"""First whole: ground floor, audit, courts, devices, incidents, evidence."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "audit_entry",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("court_code", sa.String(length=20), nullable=False),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("purpose", sa.String(length=500), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("prev_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index(op.f("ix_audit_entry_action"), "audit_entry", ["action"], unique=False)
    op.create_index(op.f("ix_audit_entry_actor"), "audit_entry", ["actor"], unique=False)
    op.create_index(op.f("ix_audit_entry_at_ms"), "audit_entry", ["at_ms"], unique=False)
    op.create_index(op.f("ix_audit_entry_court_code"), "audit_entry", ["court_code"], unique=False)
    op.create_index(op.f("ix_audit_entry_subject"), "audit_entry", ["subject"], unique=False)
    op.create_table(
        "counter",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "court",
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.Column("parent_code", sa.String(length=20), nullable=True),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("name_zh", sa.String(length=100), nullable=False),
        sa.Column("name_en", sa.String(length=100), nullable=False),
        sa.Column("short_zh", sa.String(length=40), nullable=False),
        sa.Column("short_en", sa.String(length=40), nullable=False),
        sa.Column("division", sa.String(length=12), nullable=False),
        sa.Column("lat", sa.Float(), nullable=False),
        sa.Column("lon", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["parent_code"],
            ["court.code"],
        ),
        sa.PrimaryKeyConstraint("code"),
    )
    op.create_table(
        "kit",
        sa.Column("kit_no", sa.Integer(), nullable=False),
        sa.Column("kit_id", sa.String(length=32), nullable=False),
        sa.Column("court_code", sa.String(length=20), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("officer", sa.String(length=200), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.Column("added_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kit_no"),
        sa.UniqueConstraint("kit_id"),
    )
    op.create_index(op.f("ix_kit_court_code"), "kit", ["court_code"], unique=False)
    op.create_table(
        "kit_state",
        sa.Column("kit_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_heard_ms", sa.BigInteger(), nullable=True),
        sa.Column("clock_offset_ms", sa.BigInteger(), nullable=True),
        sa.Column("fix_spool_no", sa.Integer(), nullable=True),
        sa.Column("fix_seq", sa.BigInteger(), nullable=True),
        sa.Column("fix_received_ms", sa.BigInteger(), nullable=True),
        sa.Column("fix_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("fix_ms", sa.BigInteger(), nullable=True),
        sa.Column("lat", sa.Float(), nullable=True),
        sa.Column("lon", sa.Float(), nullable=True),
        sa.Column("mode", sa.Integer(), nullable=True),
        sa.Column("speed_mps", sa.Float(), nullable=True),
        sa.Column("course_deg", sa.Float(), nullable=True),
        sa.Column("accuracy_m", sa.Float(), nullable=True),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("suspect", sa.String(length=64), nullable=False),
        sa.Column("health", sa.JSON(), nullable=True),
        sa.Column("health_ms", sa.BigInteger(), nullable=True),
        sa.Column("mailbox_have", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("kit_no"),
    )
    op.create_table(
        "login_throttle",
        sa.Column("login", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_failure_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("login"),
    )
    op.create_index(op.f("ix_login_throttle_last_failure_ms"), "login_throttle", ["last_failure_ms"], unique=False)
    op.create_table(
        "mailbox_entry",
        sa.Column("kit_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("issued_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("state_ms", sa.BigInteger(), nullable=False),
        sa.Column("kit_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("kit_no", "number"),
    )
    op.create_index(op.f("ix_mailbox_entry_state"), "mailbox_entry", ["state"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("court_code", sa.String(length=20), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_outbox_created_ms"), "outbox", ["created_ms"], unique=False)
    op.create_table(
        "position",
        sa.Column("kit_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("spool_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=8), nullable=False),
        sa.Column("trail_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("fix_ms", sa.BigInteger(), nullable=True),
        sa.Column("lat", sa.Float(), nullable=False),
        sa.Column("lon", sa.Float(), nullable=False),
        sa.Column("mode", sa.SmallInteger(), nullable=False),
        sa.Column("alt_m", sa.Float(), nullable=True),
        sa.Column("speed_mps", sa.Float(), nullable=True),
        sa.Column("course_deg", sa.Float(), nullable=True),
        sa.Column("accuracy_m", sa.Float(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("suspect", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kit_no", "spool_no", "seq"),
    )
    op.create_index(
        "ix_position_milestone",
        "position",
        ["kit_no", "spool_no", "trail_ms", "seq"],
        unique=False,
        sqlite_where=sa.text("seq % 64 = 0"),
        postgresql_where=sa.text("seq % 64 = 0"),
    )
    op.create_table(
        "received_item",
        sa.Column("kit_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("spool_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=8), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kit_no", "spool_no", "seq"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "registry_state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("issued_ms", sa.BigInteger(), nullable=False),
        sa.Column("applied_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "set_aside",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("kit_id", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_set_aside_kit_id"), "set_aside", ["kit_id"], unique=False)
    op.create_index(op.f("ix_set_aside_received_ms"), "set_aside", ["received_ms"], unique=False)
    op.create_table(
        "incident",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kit_no", sa.Integer(), nullable=False),
        sa.Column("kit_id", sa.String(length=32), nullable=False),
        sa.Column("court_code", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("alarm_id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("pressed_ms", sa.BigInteger(), nullable=False),
        sa.Column("clock_doubt", sa.Boolean(), nullable=False),
        sa.Column("lat", sa.Float(), nullable=True),
        sa.Column("lon", sa.Float(), nullable=True),
        sa.Column("fix_ms", sa.BigInteger(), nullable=True),
        sa.Column("position_source", sa.String(length=12), nullable=False),
        sa.Column("position_age_ms", sa.BigInteger(), nullable=True),
        sa.Column("recording_id", sa.String(length=32), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("withdrawn_ms", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_ms", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=100), nullable=False),
        sa.Column("felt_ms", sa.BigInteger(), nullable=True),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.Column("closed_by", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["kit_no"],
            ["kit.kit_no"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_incident_alarm_id"), "incident", ["alarm_id"], unique=False)
    op.create_index(op.f("ix_incident_court_code"), "incident", ["court_code"], unique=False)
    op.create_index(op.f("ix_incident_kit_no"), "incident", ["kit_no"], unique=False)
    op.create_index("ix_incident_queue", "incident", ["state", "received_ms"], unique=False)
    op.create_table(
        "kit_certificate",
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("kit_no", sa.Integer(), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.Column("added_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["kit_no"],
            ["kit.kit_no"],
        ),
        sa.PrimaryKeyConstraint("serial"),
    )
    op.create_index(op.f("ix_kit_certificate_kit_no"), "kit_certificate", ["kit_no"], unique=False)
    op.create_table(
        "kit_spool",
        sa.Column("spool_no", sa.Integer(), nullable=False),
        sa.Column("kit_no", sa.Integer(), nullable=False),
        sa.Column("spool", sa.String(length=32), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["kit_no"],
            ["kit.kit_no"],
        ),
        sa.PrimaryKeyConstraint("spool_no"),
        sa.UniqueConstraint("kit_no", "spool"),
    )
    op.create_table(
        "user_account",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("login", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("court_code", sa.String(length=20), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("disabled_ms", sa.BigInteger(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["court_code"],
            ["court.code"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("login"),
    )
    op.create_table(
        "alarm",
        sa.Column("kit_no", sa.Integer(), nullable=False),
        sa.Column("alarm_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("court_code", sa.String(length=20), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("pressed_ms", sa.BigInteger(), nullable=False),
        sa.Column("boot_ms", sa.BigInteger(), nullable=False),
        sa.Column("lat", sa.Float(), nullable=True),
        sa.Column("lon", sa.Float(), nullable=True),
        sa.Column("recording_id", sa.String(length=32), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("incident_id", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["incident_id"],
            ["incident.id"],
        ),
        sa.ForeignKeyConstraint(
            ["kit_no"],
            ["kit.kit_no"],
        ),
        sa.PrimaryKeyConstraint("kit_no", "alarm_id", "kind"),
    )
    op.create_index(op.f("ix_alarm_court_code"), "alarm", ["court_code"], unique=False)
    op.create_index(op.f("ix_alarm_received_ms"), "alarm", ["received_ms"], unique=False)
    op.create_index(op.f("ix_alarm_recording_id"), "alarm", ["recording_id"], unique=False)
    op.create_table(
        "incident_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("incident_id", sa.String(length=32), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"],
            ["incident.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_incident_entry_incident_id"), "incident_entry", ["incident_id"], unique=False)
    op.create_table(
        "login_session",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.Column("client", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["user_account.id"],
        ),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index(op.f("ix_login_session_expires_ms"), "login_session", ["expires_ms"], unique=False)
    op.create_index(op.f("ix_login_session_user_id"), "login_session", ["user_id"], unique=False)
    _guard_audit()


def _guard_audit() -> None:
    """Let the database itself refuse to change or delete audit rows."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_entry_no_{verb.lower()} BEFORE {verb} ON audit_entry "
                "BEGIN SELECT RAISE(ABORT, 'audit rows are never changed or deleted'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'audit rows are never changed or deleted'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_entry_no_change BEFORE UPDATE OR DELETE ON audit_entry "
        "FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()"
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_index(op.f("ix_login_session_user_id"), table_name="login_session")
    op.drop_index(op.f("ix_login_session_expires_ms"), table_name="login_session")
    op.drop_table("login_session")
    op.drop_index(op.f("ix_incident_entry_incident_id"), table_name="incident_entry")
    op.drop_table("incident_entry")
    op.drop_index(op.f("ix_alarm_recording_id"), table_name="alarm")
    op.drop_index(op.f("ix_alarm_received_ms"), table_name="alarm")
    op.drop_index(op.f("ix_alarm_court_code"), table_name="alarm")
    op.drop_table("alarm")
    op.drop_table("user_account")
    op.drop_table("kit_spool")
    op.drop_index(op.f("ix_kit_certificate_kit_no"), table_name="kit_certificate")
    op.drop_table("kit_certificate")
    op.drop_index("ix_incident_queue", table_name="incident")
    op.drop_index(op.f("ix_incident_kit_no"), table_name="incident")
    op.drop_index(op.f("ix_incident_court_code"), table_name="incident")
    op.drop_index(op.f("ix_incident_alarm_id"), table_name="incident")
    op.drop_table("incident")
    op.drop_index(op.f("ix_set_aside_received_ms"), table_name="set_aside")
    op.drop_index(op.f("ix_set_aside_kit_id"), table_name="set_aside")
    op.drop_table("set_aside")
    op.drop_table("registry_state")
    op.drop_table("received_item")
    op.drop_index("ix_position_milestone", table_name="position")
    op.drop_table("position")
    op.drop_index(op.f("ix_outbox_created_ms"), table_name="outbox")
    op.drop_table("outbox")
    op.drop_index(op.f("ix_mailbox_entry_state"), table_name="mailbox_entry")
    op.drop_table("mailbox_entry")
    op.drop_index(op.f("ix_login_throttle_last_failure_ms"), table_name="login_throttle")
    op.drop_table("login_throttle")
    op.drop_table("kit_state")
    op.drop_index(op.f("ix_kit_court_code"), table_name="kit")
    op.drop_table("kit")
    op.drop_table("court")
    op.drop_table("counter")
    op.drop_index(op.f("ix_audit_entry_subject"), table_name="audit_entry")
    op.drop_index(op.f("ix_audit_entry_court_code"), table_name="audit_entry")
    op.drop_index(op.f("ix_audit_entry_at_ms"), table_name="audit_entry")
    op.drop_index(op.f("ix_audit_entry_actor"), table_name="audit_entry")
    op.drop_index(op.f("ix_audit_entry_action"), table_name="audit_entry")
    op.drop_table("audit_entry")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION refuse_audit_change()")
