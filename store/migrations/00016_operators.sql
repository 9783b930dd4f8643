-- Who acts for administrators at the command line.

-- +goose Up
-- The operating-system account that typed the change; empty: it was made on a page.
ALTER TABLE admin_changes ADD COLUMN operator TEXT NOT NULL DEFAULT '';
UPDATE admin_changes SET operator = actor WHERE actor LIKE 'operator:%';

-- Which administrator an operating-system account stands for: one, from the first
-- time on.
CREATE TABLE operators (
    account   TEXT PRIMARY KEY,
    person_id TEXT NOT NULL REFERENCES persons (id),
    since     BIGINT NOT NULL
);
