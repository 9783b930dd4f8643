-- The schema of version 14 and a row or two of everything, as that release left
-- them. Never changed afterwards: the upgrade test starts from here. X'..' is
-- written in PostgreSQL's way by the test.
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
    user_agent TEXT NOT NULL,
    kept_until BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX sessions_person ON sessions (person_id);
CREATE INDEX sessions_card ON sessions (card_id) WHERE card_id <> '';
CREATE INDEX sessions_kept ON sessions (kept_until);

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

CREATE TABLE enrolments (
    id          BYTEA PRIMARY KEY,
    person_id   TEXT NOT NULL REFERENCES persons (id),
    session_id  TEXT NOT NULL,
    card_id     TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    not_after   BIGINT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('new', 'claimed', 'done', 'over')),
    tries       BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    ends_at     BIGINT NOT NULL,
    claimed_at  BIGINT NOT NULL,
    changed_at  BIGINT NOT NULL,
    public      BYTEA,
    name        TEXT NOT NULL,
    platform    TEXT NOT NULL,
    presence    TEXT NOT NULL,
    sealed      BYTEA,
    sign_count  BIGINT NOT NULL
);
-- One open enrolment for each session.
CREATE UNIQUE INDEX enrolments_session ON enrolments (session_id) WHERE state IN ('new', 'claimed');
CREATE INDEX enrolments_changed ON enrolments (changed_at);
CREATE INDEX enrolments_end ON enrolments (ends_at);

-- s1 to s5: the times of the last scans since the last approval, newest first.
CREATE TABLE devices (
    id           TEXT PRIMARY KEY,
    person_id    TEXT NOT NULL REFERENCES persons (id),
    card_id      TEXT NOT NULL,
    name         TEXT NOT NULL,
    platform     TEXT NOT NULL,
    presence     TEXT NOT NULL CHECK (presence IN ('webauthn', 'pin')),
    certificate  BYTEA NOT NULL,
    sealed       BYTEA NOT NULL,
    bound_at     BIGINT NOT NULL,
    used_at      BIGINT NOT NULL,
    not_after    BIGINT NOT NULL,
    revoked_at   BIGINT NOT NULL,
    suspended_at BIGINT NOT NULL,
    pin_failures BIGINT NOT NULL,
    sign_count   BIGINT NOT NULL,
    signed_at    BIGINT NOT NULL,
    s1           BIGINT NOT NULL,
    s2           BIGINT NOT NULL,
    s3           BIGINT NOT NULL,
    s4           BIGINT NOT NULL,
    s5           BIGINT NOT NULL
);
CREATE INDEX devices_person ON devices (person_id);

-- No REFERENCES: attempts are hot, and a device is never deleted.
CREATE TABLE qr_attempts (
    browser    BYTEA PRIMARY KEY,
    id         BYTEA NOT NULL UNIQUE,
    flow       BYTEA NOT NULL,
    client_id  TEXT NOT NULL,
    device_id  TEXT NOT NULL,
    person_id  TEXT NOT NULL,
    nonce      BYTEA NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('scanned', 'approved', 'denied', 'burnt', 'used')),
    pc         TEXT NOT NULL,
    scanned_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL
);
CREATE INDEX qr_attempts_device ON qr_attempts (device_id) WHERE state IN ('scanned', 'approved');
CREATE INDEX qr_attempts_changed ON qr_attempts (changed_at);
CREATE INDEX qr_attempts_end ON qr_attempts (ends_at);

CREATE TABLE totp (
    person_id  TEXT PRIMARY KEY REFERENCES persons (id),
    sealed     BYTEA,
    bound_at   BIGINT NOT NULL,
    used_step  BIGINT NOT NULL,
    pending    BYTEA,
    session_id TEXT NOT NULL,
    ends_at    BIGINT NOT NULL
);

CREATE TABLE recovery_codes (
    person_id TEXT NOT NULL REFERENCES persons (id),
    hash      BYTEA NOT NULL,
    PRIMARY KEY (person_id, hash)
);

CREATE TABLE passkeys (
    id         BYTEA PRIMARY KEY,
    person_id  TEXT NOT NULL REFERENCES persons (id),
    name       TEXT NOT NULL,
    aaguid     BYTEA NOT NULL,
    sealed     BYTEA NOT NULL,
    sign_count BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL
);
CREATE INDEX passkeys_person ON passkeys (person_id);

-- Challenges that were answered, until they would have ended.
CREATE TABLE used_challenges (
    challenge BYTEA PRIMARY KEY,
    ends_at   BIGINT NOT NULL
);
CREATE INDEX used_challenges_end ON used_challenges (ends_at);

-- lease is who does it until due_at; given_up_at is when nobody tries any more.
CREATE TABLE outbox (
    id          TEXT PRIMARY KEY,
    kind        TEXT NOT NULL,
    recipient   TEXT NOT NULL,
    subject     TEXT NOT NULL,
    body        TEXT NOT NULL,
    made_at     BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    tries       BIGINT NOT NULL,
    lease       TEXT NOT NULL,
    given_up_at BIGINT NOT NULL
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE given_up_at = 0;

CREATE TABLE known_browsers (
    person_id TEXT NOT NULL REFERENCES persons (id),
    browser   BYTEA NOT NULL,
    proved_at BIGINT NOT NULL,
    PRIMARY KEY (person_id, browser)
);
CREATE INDEX known_browsers_proved ON known_browsers (proved_at);

CREATE TABLE password_standing (
    person_id   TEXT PRIMARY KEY REFERENCES persons (id),
    changed_at  BIGINT NOT NULL,
    must_change BOOLEAN NOT NULL,
    ends_at     BIGINT NOT NULL,
    reset_at    BIGINT NOT NULL
);

CREATE TABLE password_history (
    person_id TEXT NOT NULL REFERENCES persons (id),
    number    BIGINT NOT NULL,
    sealed    BYTEA NOT NULL,
    PRIMARY KEY (person_id, number)
);

-- The secret is sealed, and wiped when it was delivered, replaced or too old.
CREATE TABLE password_deliveries (
    id        TEXT PRIMARY KEY,
    person_id TEXT NOT NULL REFERENCES persons (id),
    target    TEXT NOT NULL,
    account   TEXT NOT NULL,
    secret    BYTEA,
    state     TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'replaced', 'failed')),
    made_at   BIGINT NOT NULL,
    due_at    BIGINT NOT NULL,
    ends_at   BIGINT NOT NULL,
    tries     BIGINT NOT NULL,
    lease     TEXT NOT NULL,
    fault     TEXT NOT NULL
);
CREATE INDEX password_deliveries_due ON password_deliveries (due_at) WHERE state = 'waiting';
CREATE INDEX password_deliveries_person ON password_deliveries (person_id, made_at);

-- A new password ends what was granted to its person.
CREATE INDEX grants_person ON grants (person_id);

CREATE TABLE without_tpead (
    person_id TEXT PRIMARY KEY REFERENCES persons (id),
    said_at   BIGINT NOT NULL
);

INSERT INTO agencies VALUES ('379', '資訊局');
INSERT INTO persons VALUES ('p1', 'sub-1', '王小明', '379', '一科', '科員', 'a@gov.taipei', '02', '市府路1號', '6789', 'ab1234', 'enabled', TRUE, X'0102', X'0a0b', 1700000000000000);
INSERT INTO persons VALUES ('p2', 'sub-2', '陳小美', NULL, '', '', '', '', '', '', 'cd5678', 'departed', FALSE, NULL, NULL, 1700000000000000);
INSERT INTO accounts VALUES ('ab1234', 'single', 'p1', 0);
INSERT INTO passwords VALUES ('p1', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA', 1700000000000000);
INSERT INTO sessions VALUES ('s1', X'1111', 'p1', '[{"method":"card","at":"2026-11-20T12:00:00Z","card":"k1"}]', 'k1', 1700000000000000, 1700000000000000, 1900000000000000, 0, '192.0.2.1', 'Mozilla', 1900000000000000);
INSERT INTO flows VALUES (X'2222', X'3333', 'client_id=documents', '', 'https://rp.example', '{"client_id":"documents","at":"2026-11-20T12:00:00Z"}', FALSE, TRUE, FALSE, FALSE, 1700000000000000, 1900000000000000);
INSERT INTO grants VALUES (X'4444', 'authorization_code', 'documents', 'p1', 's1', 'openid offline_access', TRUE, X'7b7d', X'5555', 1700000060000000, 1700000001000000, X'6666', 1900000000000000, 2, 1700000002000000, 1900000000000000, 1900000000000000, 0, 1700000000000000, 1900000000000000);
INSERT INTO grants VALUES (X'4445', 'client_credentials', 'service', '', '', 'api', FALSE, X'', NULL, 0, 0, X'6667', 1900000000000000, 0, 0, 0, 1900000000000000, 0, 1700000000000000, 1900000000000000);
INSERT INTO assertions VALUES ('service', X'7777', 1900000000000000);
INSERT INTO clients VALUES ('documents', '公文', 'Documents', '["client_secret_basic"]', X'8888', NULL, 0, '', '["https://rp.example/cb"]', '[]', '[]', '["openid","offline_access"]', '["authorization_code","refresh_token"]', '[]', FALSE, '', FALSE, 1, TRUE, FALSE, 'https://rp.example', FALSE, 1700000000000000, 1700000000000000);
INSERT INTO consents VALUES ('p1', 'documents', 'openid email', 1700000000000000);
INSERT INTO signing_keys VALUES ('kid1', 'token', 'RS256', 1, 'active', X'9999', X'aaaa', 1700000000000000, 0);
INSERT INTO tries VALUES ('person p1', 1700000000000005, 1700000000000004, 1700000000000003, 1700000000000002, 1700000000000001, 0, 0, 0, 0, 0, 1900000000000000);
INSERT INTO source_names VALUES ('192.0.2.1', 'name a', 1700000000000000);
INSERT INTO challenges VALUES (X'bbbb', X'3333', 'login', 'documents', '公文', '', X'cccc', 1700000000000000, 1900000000000000);
INSERT INTO cards VALUES ('k1', 'p1', 'ab12', '1111222233334444', 'f1', X'3082', '王小明', 1900000000000000, 1700000000000000, 0);
INSERT INTO pending_cards VALUES (X'dddd', 's1', '{"ID":"k1","PersonID":"p1"}', X'7b7d', 1900000000000000);
INSERT INTO events VALUES (X'00060a24181e40000000000000000000', 1700000000000000, 'login', 'ok', 'p1', '', 'documents', 's1', '192.0.2.1', 'r1', '');
INSERT INTO enrolments VALUES (X'e101', 'p1', 's1', 'k1', 'f1', 1900000000000000, 'claimed', 0, 1700000000000000, 1900000000000000, 1700000000000000, 1700000000000000, X'04aa', '手機', 'Android', 'pin', X'ab', 0);
INSERT INTO devices VALUES ('d1', 'p1', 'k1', '手機', 'Android', 'pin', X'3082', X'ab', 1700000000000000, 0, 1900000000000000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
INSERT INTO qr_attempts VALUES (X'b001', X'b002', X'2222', 'documents', 'd1', 'p1', X'ee', 'scanned', '{}', 1700000000000000, 1700000000000000, 1900000000000000);
INSERT INTO totp VALUES ('p1', X'ab', 1700000000000000, 56666666, NULL, '', 0);
INSERT INTO recovery_codes VALUES ('p1', X'c0de');
INSERT INTO passkeys VALUES (X'1a2b', 'p1', '筆電', X'00', X'ab', 1, 1700000000000000, 0);
INSERT INTO used_challenges VALUES (X'cc01', 1900000000000000);
INSERT INTO outbox VALUES ('o1', 'mail', 'a@gov.taipei', '主旨', '內容', 1700000000000000, 1900000000000000, 0, '', 0);
INSERT INTO known_browsers VALUES ('p1', X'b001', 1700000000000000);

CREATE TABLE directory_entries (
    directory TEXT NOT NULL,
    identity  TEXT NOT NULL,
    account   TEXT NOT NULL,
    person_id TEXT NOT NULL REFERENCES persons (id),
    seen_at   BIGINT NOT NULL,
    PRIMARY KEY (directory, identity),
    UNIQUE (directory, account)
);
CREATE INDEX directory_entries_account ON directory_entries (account);
INSERT INTO directory_entries VALUES ('city', '0123', 'ab1234', 'p1', 1700000000000000);

ALTER TABLE agencies ADD COLUMN parent TEXT NOT NULL DEFAULT '';

CREATE TABLE units (
    agency TEXT NOT NULL REFERENCES agencies (code),
    name   TEXT NOT NULL,
    parent TEXT NOT NULL,
    PRIMARY KEY (agency, name)
);

-- Where a person comes from; a shared account 公用帳號 is nobody's, and kept as a
-- person without a national ID.
ALTER TABLE persons ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE persons ADD COLUMN shared BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE persons ADD COLUMN renamed_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX persons_agency ON persons (agency);

ALTER TABLE accounts ADD COLUMN state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disabled'));
-- Its password is known to nobody: the owner has to set one.
ALTER TABLE accounts ADD COLUMN must_set BOOLEAN NOT NULL DEFAULT FALSE;
-- One single account for a person, for life.
CREATE UNIQUE INDEX accounts_single ON accounts (person_id) WHERE kind = 'single';

-- Concurrent posts; the main one stands in persons.
CREATE TABLE posts (
    person_id TEXT NOT NULL REFERENCES persons (id),
    position  BIGINT NOT NULL,
    agency    TEXT NOT NULL REFERENCES agencies (code),
    unit      TEXT NOT NULL,
    title     TEXT NOT NULL,
    PRIMARY KEY (person_id, position)
);

-- One portal account to one TPEAD account: the keys decide races.
CREATE TABLE bindings (
    portal    TEXT PRIMARY KEY REFERENCES accounts (name),
    tpead     TEXT NOT NULL UNIQUE REFERENCES accounts (name) ON UPDATE CASCADE,
    person_id TEXT NOT NULL REFERENCES persons (id),
    how       TEXT NOT NULL,
    bound_at  BIGINT NOT NULL
);
CREATE INDEX bindings_person ON bindings (person_id);

-- Names that were given once are never given again.
CREATE TABLE used_names (
    name     TEXT PRIMARY KEY,
    given_at BIGINT NOT NULL
);

-- What changed of a person: append only. The id is that of the change, so that
-- none is made twice.
CREATE TABLE history (
    id        TEXT PRIMARY KEY,
    person_id TEXT NOT NULL REFERENCES persons (id),
    at        BIGINT NOT NULL,
    actor     TEXT NOT NULL,
    kind      TEXT NOT NULL,
    changes   TEXT NOT NULL
);
CREATE INDEX history_person ON history (person_id, at);

CREATE TABLE settings (
    key        TEXT PRIMARY KEY,
    value      TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE leases (
    name   TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until  BIGINT NOT NULL
);

CREATE TABLE sync_runs (
    id         TEXT PRIMARY KEY,
    source     TEXT NOT NULL,
    state      TEXT NOT NULL,
    plan       TEXT NOT NULL,
    actor      TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    summary    TEXT NOT NULL
);
CREATE INDEX sync_runs_source ON sync_runs (source, started_at);

CREATE TABLE sync_changes (
    run_id    TEXT NOT NULL REFERENCES sync_runs (id),
    seq       BIGINT NOT NULL,
    kind      TEXT NOT NULL,
    person_id TEXT NOT NULL,
    line      BIGINT NOT NULL,
    body      TEXT NOT NULL,
    state     TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'failed')),
    reason    TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);

CREATE TABLE sync_faults (
    run_id  TEXT NOT NULL REFERENCES sync_runs (id),
    seq     BIGINT NOT NULL,
    line    BIGINT NOT NULL,
    account TEXT NOT NULL,
    reason  TEXT NOT NULL,
    refused BOOLEAN NOT NULL,
    PRIMARY KEY (run_id, seq)
);

-- What a directory elsewhere still has to be told, one after the other for each
-- person. It holds no secret.
CREATE TABLE directory_effects (
    id        TEXT PRIMARY KEY,
    person_id TEXT NOT NULL REFERENCES persons (id),
    kind      TEXT NOT NULL CHECK (kind IN ('create', 'rename', 'update', 'enable', 'disable')),
    account   TEXT NOT NULL,
    former    TEXT NOT NULL,
    state     TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'failed')),
    made_at   BIGINT NOT NULL,
    due_at    BIGINT NOT NULL,
    tries     BIGINT NOT NULL,
    lease     TEXT NOT NULL,
    fault     TEXT NOT NULL
);
CREATE INDEX directory_effects_due ON directory_effects (due_at) WHERE state = 'waiting';
CREATE INDEX directory_effects_person ON directory_effects (person_id, made_at);

-- A password that is being set in a directory elsewhere: one for each person.
-- The row is there before the directory is asked and goes with the change; the
-- secret is sealed, and wiped after a day at the latest.
CREATE TABLE password_intents (
    person_id TEXT PRIMARY KEY REFERENCES persons (id),
    id        TEXT NOT NULL UNIQUE,
    account   TEXT NOT NULL,
    body      TEXT NOT NULL,
    secret    BYTEA NOT NULL,
    made_at   BIGINT NOT NULL,
    due_at    BIGINT NOT NULL,
    ends_at   BIGINT NOT NULL,
    tries     BIGINT NOT NULL,
    lease     TEXT NOT NULL,
    fault     TEXT NOT NULL
);
CREATE INDEX password_intents_due ON password_intents (due_at);

-- Since when none of the person's accounts is open in its directory; 0: it is.
ALTER TABLE persons ADD COLUMN closed_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX persons_closed ON persons (id) WHERE closed_at > 0;

INSERT INTO directory_effects VALUES ('e1', 'p1', 'create', 'ab1234', '', 'waiting', 1700000000000000, 1700000000000000, 0, '', '');
INSERT INTO units VALUES ('379', '一科', '');
INSERT INTO accounts VALUES ('wang', 'portal', 'p1', 1, 'active', FALSE);
INSERT INTO posts VALUES ('p1', 1, '379', '一科', '兼任');
INSERT INTO bindings VALUES ('wang', 'ab1234', 'p1', 'self', 1700000000000000);
INSERT INTO used_names VALUES ('ab1234', 1700000000000000);
INSERT INTO history VALUES ('r1/0', 'p1', 1700000000000000, 'sync:hr', 'update', '[{"field":"unit","old":"二科","new":"一科"}]');
INSERT INTO settings VALUES ('phase', 'coexist', 1700000000000000);
INSERT INTO leases VALUES ('sync/hr', 'node', 1700000000000000);
INSERT INTO sync_runs VALUES ('r1', 'hr', 'done', 'abc', 'operator:root', 1700000000000000, 1700000001000000, '{}');
INSERT INTO sync_changes VALUES ('r1', 0, 'update', 'p1', 2, '{}', 'done', '');
INSERT INTO sync_faults VALUES ('r1', 0, 3, 'chen', 'no name', TRUE);
INSERT INTO password_standing VALUES ('p1', 1700000000000000, FALSE, 0, 1690000000000000);
INSERT INTO password_history VALUES ('p1', 1, X'e1e2');
INSERT INTO password_deliveries VALUES ('d1', 'p1', 'mail', 'wang', X'e3e4', 'waiting', 1700000000000000, 1700000000000000, 1900000000000000, 0, '', '');
INSERT INTO without_tpead VALUES ('p2', 1700000000000000);
INSERT INTO password_intents VALUES ('p1', 'i1', 'ab1234', '{}', X'f1f2', 1700000000000000, 1700000060000000, 1700086400000000, 0, '', '');

-- Administrators: their roles, what they changed of people, and the first card
-- bindings that wait for a second one.
CREATE TABLE roles (
    person_id  TEXT NOT NULL REFERENCES persons (id),
    kind       TEXT NOT NULL CHECK (kind IN ('people', 'helpdesk')),
    agency     TEXT NOT NULL,
    granted_by TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    reason     TEXT NOT NULL,
    PRIMARY KEY (person_id, kind, agency)
);

-- A name, national ID or password that an administrator changed: settled when a
-- second one approved the card that was asked for after it.
CREATE TABLE admin_changes (
    id         TEXT PRIMARY KEY,
    person_id  TEXT NOT NULL REFERENCES persons (id),
    what       TEXT NOT NULL CHECK (what IN ('name', 'national_id', 'password')),
    actor      TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    asked_in   TEXT NOT NULL,
    settled_at BIGINT NOT NULL
);
CREATE INDEX admin_changes_open ON admin_changes (person_id) WHERE settled_at = 0;

-- Cards that were read and confirmed. The name and the end of the national ID are
-- those that the card was compared with.
CREATE TABLE waiting_cards (
    id         TEXT PRIMARY KEY,
    person_id  TEXT NOT NULL REFERENCES persons (id),
    card       TEXT NOT NULL,
    name       TEXT NOT NULL,
    id_tail    TEXT NOT NULL,
    asked_at   BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'refused', 'replaced')),
    decided_by TEXT NOT NULL,
    decided_at BIGINT NOT NULL,
    reason     TEXT NOT NULL
);
CREATE UNIQUE INDEX waiting_cards_open ON waiting_cards (person_id) WHERE state = 'waiting';
CREATE INDEX waiting_cards_person ON waiting_cards (person_id, asked_at);

INSERT INTO roles VALUES ('p1', 'people', '379', 'operator:root', 1700000000000000, 'applied for');
INSERT INTO admin_changes VALUES ('a1', 'p2', 'password', 'operator:root', 1700000000000000, 'w1', 0);
INSERT INTO waiting_cards VALUES ('w1', 'p2', '{"ID":"k9","PersonID":"p2"}', '陳小美', '', 1700000000000000, 1900000000000000, 'waiting', '', 0, '');

-- Who disabled the person by hand: no feed enables them again. Empty: a feed did,
-- or nobody.
ALTER TABLE persons ADD COLUMN disabled_by TEXT NOT NULL DEFAULT '';

-- Since when we have the account closed in its directory; 0: we have not, whatever
-- its own administrators did.
ALTER TABLE accounts ADD COLUMN shut_at BIGINT NOT NULL DEFAULT 0;

-- Which feed gave the post; empty: none.
ALTER TABLE posts ADD COLUMN source TEXT NOT NULL DEFAULT '';

-- An account that we give opens nothing before its directory has it (pending), and
-- is known there by the identity of its entry, never by its name (given). agency:
-- in whose directory an account is; it stays there when its person is moved.
ALTER TABLE accounts ADD COLUMN pending BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE accounts ADD COLUMN given BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE accounts ADD COLUMN agency TEXT NOT NULL DEFAULT '';
-- It is its person's by a binding alone, who gave its password; it goes with it.
ALTER TABLE accounts ADD COLUMN claimed BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE accounts SET agency = '379';

-- A lock is shown to the spelling that set it.
ALTER TABLE tries ADD COLUMN spelling TEXT NOT NULL DEFAULT '';
