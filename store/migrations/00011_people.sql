-- People, posts and accounts as the city's feeds give them; synchronisation.

-- +goose Up
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
