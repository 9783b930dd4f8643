-- The first schema. One text for SQLite and PostgreSQL: TEXT, BIGINT, BOOLEAN,
-- BYTEA (in SQLite a BLOB). Times are Unix microseconds, 0 for none; secrets
-- are kept as hashes, and what must be read back is sealed.

-- +goose Up
CREATE TABLE agencies (
    code TEXT PRIMARY KEY,
    name TEXT NOT NULL
);

CREATE TABLE persons (
    id               TEXT PRIMARY KEY,
    subject          TEXT NOT NULL UNIQUE,
    name             TEXT NOT NULL,
    agency           TEXT REFERENCES agencies (code),
    unit             TEXT NOT NULL,
    title            TEXT NOT NULL,
    email            TEXT NOT NULL,
    phone            TEXT NOT NULL,
    address          TEXT NOT NULL,
    id_tail          TEXT NOT NULL,
    username         TEXT NOT NULL,
    state            TEXT NOT NULL CHECK (state IN ('enabled', 'disabled', 'departed')),
    has_password     BOOLEAN NOT NULL,
    national_id      BYTEA,
    national_id_hash BYTEA UNIQUE,
    updated_at       BIGINT NOT NULL
);

CREATE TABLE accounts (
    name      TEXT PRIMARY KEY,
    kind      TEXT NOT NULL CHECK (kind IN ('portal', 'tpead', 'single', 'mail')),
    person_id TEXT NOT NULL REFERENCES persons (id),
    position  BIGINT NOT NULL
);
CREATE INDEX accounts_person ON accounts (person_id);

-- Apart from persons, so that reading a person never touches a hash.
CREATE TABLE passwords (
    person_id  TEXT PRIMARY KEY REFERENCES persons (id),
    hash       TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE sessions (
    id         TEXT PRIMARY KEY,
    token_hash BYTEA NOT NULL UNIQUE,
    person_id  TEXT NOT NULL REFERENCES persons (id),
    evidence   TEXT NOT NULL,
    card_id    TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    address    TEXT NOT NULL,
    user_agent TEXT NOT NULL
);
CREATE INDEX sessions_person ON sessions (person_id);
CREATE INDEX sessions_card ON sessions (card_id) WHERE card_id <> '';
CREATE INDEX sessions_end ON sessions (ends_at);

CREATE TABLE flows (
    handle      BYTEA PRIMARY KEY,
    browser     BYTEA NOT NULL,
    request     TEXT NOT NULL,
    return_to   TEXT NOT NULL,
    redirect_to TEXT NOT NULL,
    ask         TEXT NOT NULL,
    selected    BOOLEAN NOT NULL,
    consented   BOOLEAN NOT NULL,
    declined    BOOLEAN NOT NULL,
    cancelled   BOOLEAN NOT NULL,
    created_at  BIGINT NOT NULL,
    ends_at     BIGINT NOT NULL
);
CREATE INDEX flows_end ON flows (ends_at);

-- No REFERENCES: grants are the hot table, a person or client is never
-- deleted, and a session's row outlives nothing that is looked up by it.
CREATE TABLE grants (
    id              BYTEA PRIMARY KEY,
    kind            TEXT NOT NULL CHECK (kind IN ('authorization_code', 'client_credentials')),
    client_id       TEXT NOT NULL,
    person_id       TEXT NOT NULL,
    session_id      TEXT NOT NULL,
    scopes          TEXT NOT NULL,
    offline         BOOLEAN NOT NULL,
    request         BYTEA NOT NULL,
    code_hash       BYTEA,
    code_ends_at    BIGINT NOT NULL,
    code_used_at    BIGINT NOT NULL,
    access_hash     BYTEA,
    access_ends_at  BIGINT NOT NULL,
    generation      BIGINT NOT NULL,
    rotated_at      BIGINT NOT NULL,
    refresh_ends_at BIGINT NOT NULL,
    ends_at         BIGINT NOT NULL,
    revoked_at      BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    prune_at        BIGINT NOT NULL
);
CREATE UNIQUE INDEX grants_code ON grants (code_hash) WHERE code_hash IS NOT NULL;
CREATE UNIQUE INDEX grants_access ON grants (access_hash) WHERE access_hash IS NOT NULL;
CREATE INDEX grants_session ON grants (session_id) WHERE session_id <> '';
CREATE INDEX grants_prune ON grants (prune_at);

-- The jti by its SHA-256: it comes from outside, at any length.
CREATE TABLE assertions (
    client_id TEXT NOT NULL,
    jti_hash  BYTEA NOT NULL,
    ends_at   BIGINT NOT NULL,
    PRIMARY KEY (client_id, jti_hash)
);
CREATE INDEX assertions_end ON assertions (ends_at);

CREATE TABLE clients (
    id               TEXT PRIMARY KEY,
    name             TEXT NOT NULL,
    name_en          TEXT NOT NULL,
    auth_methods     TEXT NOT NULL,
    secret_hash      BYTEA,
    old_secret_hash  BYTEA,
    old_secret_ends  BIGINT NOT NULL,
    jwks             TEXT NOT NULL,
    redirect_uris    TEXT NOT NULL,
    post_logout_uris TEXT NOT NULL,
    origins          TEXT NOT NULL,
    scopes           TEXT NOT NULL,
    grant_types      TEXT NOT NULL,
    audience         TEXT NOT NULL,
    pkce_optional    BOOLEAN NOT NULL,
    id_token_alg     TEXT NOT NULL,
    jwt_access       BOOLEAN NOT NULL,
    min_level        BIGINT NOT NULL,
    first_party      BOOLEAN NOT NULL,
    may_introspect   BOOLEAN NOT NULL,
    uri              TEXT NOT NULL,
    disabled         BOOLEAN NOT NULL,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL
);

CREATE TABLE consents (
    person_id TEXT NOT NULL REFERENCES persons (id),
    client_id TEXT NOT NULL REFERENCES clients (id),
    scopes    TEXT NOT NULL,
    given_at  BIGINT NOT NULL,
    PRIMARY KEY (person_id, client_id)
);

CREATE TABLE signing_keys (
    kid        TEXT PRIMARY KEY,
    key_use    TEXT NOT NULL,
    algorithm  TEXT NOT NULL,
    number     BIGINT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('next', 'active', 'retired')),
    sealed     BYTEA NOT NULL,
    public     BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    UNIQUE (key_use, algorithm, number)
);

-- A lockout counter: the times of the last failures, newest first.
CREATE TABLE tries (
    key          TEXT PRIMARY KEY,
    f1           BIGINT NOT NULL,
    f2           BIGINT NOT NULL,
    f3           BIGINT NOT NULL,
    f4           BIGINT NOT NULL,
    f5           BIGINT NOT NULL,
    f6           BIGINT NOT NULL,
    f7           BIGINT NOT NULL,
    f8           BIGINT NOT NULL,
    f9           BIGINT NOT NULL,
    f10          BIGINT NOT NULL,
    locked_until BIGINT NOT NULL
);
CREATE INDEX tries_last ON tries (f1);

CREATE TABLE source_names (
    source    TEXT NOT NULL,
    name_key  TEXT NOT NULL,
    failed_at BIGINT NOT NULL,
    PRIMARY KEY (source, name_key)
);
CREATE INDEX source_names_failed ON source_names (failed_at);

CREATE TABLE challenges (
    key         BYTEA PRIMARY KEY,
    browser     BYTEA NOT NULL,
    purpose     TEXT NOT NULL,
    client      TEXT NOT NULL,
    client_name TEXT NOT NULL,
    person_id   TEXT NOT NULL,
    nonce       BYTEA NOT NULL,
    issued_at   BIGINT NOT NULL,
    ends_at     BIGINT NOT NULL
);
CREATE INDEX challenges_end ON challenges (ends_at);

-- One holder to one person, one card to a person: the indexes decide races.
CREATE TABLE cards (
    id             TEXT PRIMARY KEY,
    person_id      TEXT NOT NULL REFERENCES persons (id),
    issuer_key_id  TEXT NOT NULL,
    subject_serial TEXT NOT NULL,
    fingerprint    TEXT NOT NULL,
    certificate    BYTEA NOT NULL,
    name           TEXT NOT NULL,
    not_after      BIGINT NOT NULL,
    bound_at       BIGINT NOT NULL,
    unbound_at     BIGINT NOT NULL
);
CREATE UNIQUE INDEX cards_holder ON cards (issuer_key_id, subject_serial) WHERE unbound_at = 0;
CREATE UNIQUE INDEX cards_person ON cards (person_id) WHERE unbound_at = 0;

CREATE TABLE pending_cards (
    key        BYTEA PRIMARY KEY,
    session_id TEXT NOT NULL UNIQUE,
    card       TEXT NOT NULL,
    details    BYTEA NOT NULL,
    ends_at    BIGINT NOT NULL
);
CREATE INDEX pending_cards_end ON pending_cards (ends_at);

-- The record: append only. The id begins with the time, so it is in order.
CREATE TABLE events (
    id         BYTEA PRIMARY KEY,
    at         BIGINT NOT NULL,
    kind       TEXT NOT NULL,
    result     TEXT NOT NULL,
    person_id  TEXT NOT NULL,
    actor      TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    session_id TEXT NOT NULL,
    address    TEXT NOT NULL,
    request_id TEXT NOT NULL,
    detail     TEXT NOT NULL
);
CREATE INDEX events_person ON events (person_id, id) WHERE person_id <> '';
