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

-- Who disabled the person by hand: no feed enables them again. Empty: a feed did,
-- or nobody.
ALTER TABLE persons ADD COLUMN disabled_by TEXT NOT NULL DEFAULT '';
UPDATE persons SET disabled_by = 'operator' WHERE state <> 'enabled'
    AND EXISTS (SELECT 1 FROM events e WHERE e.person_id = persons.id AND e.kind = 'account.disable');

-- Since when we have the account closed in its directory; 0: we have not, whatever
-- its own administrators did.
ALTER TABLE accounts ADD COLUMN shut_at BIGINT NOT NULL DEFAULT 0;
UPDATE accounts SET shut_at = 1 WHERE EXISTS (SELECT 1 FROM directory_effects e WHERE e.account = accounts.name AND e.kind = 'disable');

-- Which feed gave the post; empty: none.
ALTER TABLE posts ADD COLUMN source TEXT NOT NULL DEFAULT '';
UPDATE posts SET source = (SELECT p.source FROM persons p WHERE p.id = posts.person_id);

-- Codes and access tokens carry their grant's ID: it is found by that, and they
-- are compared with their hash. Hashes lie anywhere in an index, so each of the
-- two cost a page of its own with each write.
DROP INDEX grants_code;
DROP INDEX grants_access;

-- An account that we give opens nothing before its directory has it (pending), and
-- is known there by the identity of its entry, never by its name (given). agency:
-- in whose directory an account is; it stays there when its person is moved.
ALTER TABLE accounts ADD COLUMN pending BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE accounts ADD COLUMN given BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE accounts ADD COLUMN agency TEXT NOT NULL DEFAULT '';
-- It is its person's by a binding alone, who gave its password; it goes with it.
ALTER TABLE accounts ADD COLUMN claimed BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE accounts SET agency = COALESCE((SELECT p.agency FROM persons p WHERE p.id = accounts.person_id), '');
UPDATE accounts SET given = TRUE WHERE name IN (SELECT account FROM directory_effects WHERE kind = 'create');
UPDATE accounts SET pending = TRUE WHERE name IN (SELECT account FROM directory_effects WHERE kind = 'create' AND state <> 'done');

-- A session is kept as long as a grant that outlives it (offline_access): what
-- ends its card or its phone finds the grant by it.
ALTER TABLE sessions ADD COLUMN kept_until BIGINT NOT NULL DEFAULT 0;
UPDATE sessions SET kept_until = ends_at;
UPDATE sessions SET kept_until = (SELECT MAX(g.ends_at) FROM grants g WHERE g.session_id = sessions.id AND g.offline)
    WHERE EXISTS (SELECT 1 FROM grants g WHERE g.session_id = sessions.id AND g.offline AND g.ends_at > sessions.ends_at);
DROP INDEX sessions_end;
CREATE INDEX sessions_kept ON sessions (kept_until);
