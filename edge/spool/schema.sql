CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,          -- never used twice, also after release
    kind TEXT NOT NULL,
    body BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    boot TEXT NOT NULL,
    urgent INTEGER NOT NULL DEFAULT 0,
    sos TEXT NOT NULL DEFAULT '',                   -- alarm id of an SOS: kept until receipted and settled
    receipted INTEGER NOT NULL DEFAULT 0,
    settled INTEGER NOT NULL DEFAULT 0,
    mono_ms INTEGER                                 -- since boot, suspended time included, at the same moment as at_ms
);
-- Each kind is read for itself in this order, so that a week of positions costs the other kinds nothing.
CREATE INDEX IF NOT EXISTS outbox_order ON outbox (kind, receipted, urgent DESC, seq);
CREATE INDEX IF NOT EXISTS outbox_sos ON outbox (sos, seq) WHERE sos > '';
CREATE TABLE IF NOT EXISTS inbox (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    body BLOB NOT NULL,
    issued_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    handled INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS records (
    recording_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    kind INTEGER NOT NULL,                          -- contract.chain: 0 open, 1 segment, 2 gap, 3 final
    body BLOB NOT NULL,
    sig BLOB NOT NULL,
    outbox_seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    boot TEXT NOT NULL,
    PRIMARY KEY (recording_id, seq)
);
CREATE TABLE IF NOT EXISTS segments (
    recording_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    cipher_hash BLOB NOT NULL,
    length INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    priority INTEGER NOT NULL DEFAULT 0,            -- 0 rest, 1 marked, 2 alarm window
    fault TEXT NOT NULL DEFAULT '',                 -- why the file can no longer be sent as it was signed
    receipt BLOB,
    receipted_ms INTEGER,
    PRIMARY KEY (recording_id, seq)
);
CREATE INDEX IF NOT EXISTS segments_waiting ON segments (priority, started_ms) WHERE receipt IS NULL;
-- Rule 3 of evidence: whatever the code above believes, an unreceipted segment is not forgotten.
CREATE TRIGGER IF NOT EXISTS segments_stay BEFORE DELETE ON segments WHEN OLD.receipt IS NULL
BEGIN SELECT RAISE(ABORT, 'a segment without a verified receipt stays'); END;
-- What the centre gave the officer to do; the number is the directive's.
CREATE TABLE IF NOT EXISTS tasks (
    number INTEGER PRIMARY KEY,
    body BLOB NOT NULL,                             -- contract.orders.Task
    issued_ms INTEGER NOT NULL,
    state TEXT NOT NULL,                            -- received, read, accepted, refused, done, recalled
    state_ms INTEGER NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    receipt_seq INTEGER                             -- the outbox entry of the officer's last answer
);
-- What was pressed on the officer's page; the panel answers in the transaction in which it carries it out.
CREATE TABLE IF NOT EXISTS presses (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    act TEXT NOT NULL,
    value TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    mono_ms INTEGER NOT NULL,
    boot TEXT NOT NULL,
    answer TEXT                                     -- JSON; NULL until carried out
);
CREATE INDEX IF NOT EXISTS presses_waiting ON presses (number) WHERE answer IS NULL;
-- A small picture of a segment for thin links; never evidence, and never in place of the original.
CREATE TABLE IF NOT EXISTS proxies (
    recording_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    digest BLOB NOT NULL,                           -- SHA-256 of the parcel beside the segment (contract.proxy)
    length INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    PRIMARY KEY (recording_id, seq)
);
-- Numbered orders inside a session of remote command, until they are read back; the number is the directive's.
CREATE TABLE IF NOT EXISTS instructions (
    number INTEGER PRIMARY KEY,
    body BLOB NOT NULL,                             -- contract.orders.Instruction
    issued_ms INTEGER NOT NULL,
    state TEXT NOT NULL,                            -- received, read, accepted (read back), refused
    state_ms INTEGER NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    receipt_seq INTEGER                             -- the outbox entry of the officer's last answer
);
