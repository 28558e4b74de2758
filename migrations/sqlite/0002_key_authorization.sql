-- Authorisation of single keys (EN 419 221-5): which key authorisation key (KAK) a key is bound to, and how often it may still sign.
-- One row for each key that was initialised here, at each of its places.

CREATE TABLE key_authorization (
    token            TEXT    NOT NULL,      -- name in sigillo.toml
    key_id           TEXT    NOT NULL,      -- CKA_ID, hexadecimal
    credential       TEXT    NOT NULL REFERENCES credential (name) ON DELETE CASCADE,
    alias            TEXT    NOT NULL,      -- CKA_LABEL
    assigned         INTEGER NOT NULL,      -- 1: an assigned key
    kak              BLOB    NOT NULL,      -- public half of the KAK: SubjectPublicKeyInfo, DER
    protocol         TEXT    NOT NULL,      -- how the KAK signs
    kak_source       TEXT    NOT NULL,      -- where the KAK is, never a secret: token, offline, file
    authorized_at    INTEGER,               -- absent: not authorised
    authorized_count INTEGER,               -- absent: without limit
    uses             INTEGER NOT NULL DEFAULT 0, -- counted with the intents since authorized_at
    PRIMARY KEY (token, key_id),
    CHECK (authorized_count IS NULL OR uses <= authorized_count)
) STRICT;

CREATE INDEX key_authorization_credential ON key_authorization (credential);
