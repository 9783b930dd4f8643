-- Passwords: since when, whether it must be changed, the last ones (sealed
-- hashes), and what still has to reach the mailbox.

-- +goose Up
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

-- Who said that they have no TPEAD account.
CREATE TABLE without_tpead (
    person_id TEXT PRIMARY KEY REFERENCES persons (id),
    said_at   BIGINT NOT NULL
);
