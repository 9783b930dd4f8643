-- What directories said last.

-- +goose Up
-- Who is logged in and was not found in their directory: since when, and when last.
-- One look ends nobody's session; the second does.
CREATE TABLE directory_missed (
    person_id TEXT PRIMARY KEY REFERENCES persons (id),
    first_at  BIGINT NOT NULL,
    last_at   BIGINT NOT NULL
);

-- When the directory had the password that changed_at is of, by its own clock; 0: it
-- did not say. A node of the former version leaves both as they are: told_of tells
-- that they are of another password.
ALTER TABLE password_standing ADD COLUMN told_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE password_standing ADD COLUMN told_of BIGINT NOT NULL DEFAULT 0;
