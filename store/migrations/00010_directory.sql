-- Which entry of which directory is whose. A name may be given to another
-- entry there; the identity (objectGUID) stays.

-- +goose Up
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

-- +goose Down
DROP TABLE directory_entries;
