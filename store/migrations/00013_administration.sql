-- Changes that were begun and must be finished whatever happens to the node.

-- +goose Up
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
