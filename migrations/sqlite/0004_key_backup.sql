-- Copies of keys outside their devices, as operators confirm them. Nothing here is checked against a copy: it says who says so.

CREATE TABLE key_backup (
    credential  TEXT    NOT NULL REFERENCES credential (name) ON DELETE CASCADE,
    owner       TEXT    NOT NULL DEFAULT 'default',
    token       TEXT    NOT NULL,           -- name in sigillo.toml of the token that was backed up
    place       TEXT    NOT NULL,
    made_on     TEXT    NOT NULL,           -- YYYY-MM-DD
    made_by     TEXT    NOT NULL,
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (credential, token, place, made_on)
) STRICT;
