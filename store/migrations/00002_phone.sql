-- Phones: enrolments, devices, QR logins, one-time codes, passkeys, and what is
-- done after a commit. What may change by itself (a person's state, a card's
-- binding) is joined, not copied.

-- +goose Up
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
