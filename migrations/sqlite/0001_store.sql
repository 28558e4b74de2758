-- The first schema: credentials, workers, clients, grants, locks of tokens, the audit chain.
-- Times are milliseconds since 1970-01-01 UTC. Names are unique over all owners, because URLs carry names only.

CREATE TABLE credential (
    name       TEXT    PRIMARY KEY,
    owner      TEXT    NOT NULL DEFAULT 'default',
    purpose    TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    locations  TEXT    NOT NULL,            -- JSON: [{token, alias, id}]
    spec       TEXT    NOT NULL,
    public_key BLOB    NOT NULL,            -- SubjectPublicKeyInfo, DER
    attributes TEXT    NOT NULL,            -- JSON: what the token said of the key
    evidence   TEXT,                        -- JSON: the key ceremony
    uses       INTEGER NOT NULL DEFAULT 0,
    use_limit  INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK (use_limit IS NULL OR uses <= use_limit)
) STRICT;

CREATE TABLE credential_certificate (
    credential  TEXT    NOT NULL REFERENCES credential (name) ON DELETE CASCADE,
    position    INTEGER NOT NULL,           -- 0 is the leaf
    certificate BLOB    NOT NULL,           -- DER
    PRIMARY KEY (credential, position)
) STRICT;

CREATE TABLE worker (
    name       TEXT    PRIMARY KEY,
    owner      TEXT    NOT NULL DEFAULT 'default',
    version    INTEGER NOT NULL,            -- the newest
    removed_at INTEGER
) STRICT;

CREATE TABLE worker_version (
    worker     TEXT    NOT NULL REFERENCES worker (name),
    version    INTEGER NOT NULL,
    definition TEXT    NOT NULL,            -- JSON, not read here
    created_at INTEGER NOT NULL,
    PRIMARY KEY (worker, version)
) STRICT;

CREATE TABLE client (
    name               TEXT    PRIMARY KEY,
    owner              TEXT    NOT NULL DEFAULT 'default',
    api_key_sha256     BLOB    UNIQUE,
    certificate_sha256 TEXT    UNIQUE,      -- lower-case hexadecimal
    oidc_subject       TEXT    UNIQUE,
    revoked_at         INTEGER,
    created_at         INTEGER NOT NULL
) STRICT;

CREATE TABLE client_grant (
    client     TEXT    NOT NULL REFERENCES client (name),
    owner      TEXT    NOT NULL DEFAULT 'default',
    kind       TEXT    NOT NULL CHECK (kind IN ('worker', 'role')),
    target     TEXT    NOT NULL,            -- name of the worker or of the role
    created_at INTEGER NOT NULL,
    PRIMARY KEY (client, kind, target)
) STRICT;

CREATE TABLE pin_rejection (
    serial      TEXT    NOT NULL,           -- CK_TOKEN_INFO.serialNumber
    source      TEXT    NOT NULL,           -- where the PIN came from, never the PIN
    owner       TEXT    NOT NULL DEFAULT 'default',
    rejected_at INTEGER NOT NULL,
    PRIMARY KEY (serial, source)
) STRICT;

CREATE TABLE token_lock (
    token     TEXT    PRIMARY KEY,          -- name in sigillo.toml
    owner     TEXT    NOT NULL DEFAULT 'default',
    locked_at INTEGER NOT NULL
) STRICT;

-- One row per running process that signs. Whether it lives is told by a lock on a file, see store/src/instances.rs.
CREATE TABLE instance (
    id         TEXT    PRIMARY KEY,
    host       TEXT    NOT NULL,
    boot_id    TEXT    NOT NULL,
    pid        INTEGER NOT NULL,
    started_at INTEGER NOT NULL
) STRICT;

-- Intents without an outcome: what a crash leaves behind.
CREATE TABLE open_intent (
    attempt    TEXT    PRIMARY KEY,
    request_id TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    instance   TEXT    NOT NULL REFERENCES instance (id)
) STRICT;

-- The chain. The columns for searching are computed from the event, so that they cannot say anything else than it.
CREATE TABLE audit_record (
    seq        INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    instance   TEXT    NOT NULL,
    event      TEXT    NOT NULL,
    previous   BLOB    NOT NULL,
    hash       BLOB    NOT NULL,
    kind       TEXT    GENERATED ALWAYS AS (json_extract(event, '$.event')) VIRTUAL,
    request_id TEXT    GENERATED ALWAYS AS (json_extract(event, '$.requestId')) VIRTUAL,
    client     TEXT    GENERATED ALWAYS AS (json_extract(event, '$.client')) VIRTUAL,
    worker     TEXT    GENERATED ALWAYS AS (json_extract(event, '$.worker')) VIRTUAL,
    credential TEXT    GENERATED ALWAYS AS (json_extract(event, '$.credential')) VIRTUAL,
    subject    TEXT    GENERATED ALWAYS AS (json_extract(event, '$.subject')) VIRTUAL
) STRICT;

CREATE INDEX audit_record_request ON audit_record (request_id);

CREATE TABLE audit_head (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    seq  INTEGER NOT NULL,
    hash BLOB    NOT NULL
) STRICT;

INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, zeroblob(32));

CREATE TRIGGER audit_record_is_never_changed BEFORE UPDATE ON audit_record
BEGIN SELECT RAISE(ABORT, 'audit records are never changed'); END;

CREATE TRIGGER audit_record_is_never_removed BEFORE DELETE ON audit_record
BEGIN SELECT RAISE(ABORT, 'audit records are never removed'); END;

-- Without this, INSERT OR REPLACE would go round the other two.
CREATE TRIGGER audit_record_is_only_appended BEFORE INSERT ON audit_record
WHEN NEW.seq <= (SELECT seq FROM audit_head WHERE id = 1)
BEGIN SELECT RAISE(ABORT, 'audit records are only appended'); END;

CREATE TRIGGER audit_head_is_never_removed BEFORE DELETE ON audit_head
BEGIN SELECT RAISE(ABORT, 'the head of the audit chain is never removed'); END;

CREATE TRIGGER audit_head_only_advances BEFORE UPDATE ON audit_head
WHEN NEW.seq <= OLD.seq
BEGIN SELECT RAISE(ABORT, 'the head of the audit chain only advances'); END;
