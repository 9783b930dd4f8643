-- The spelling of the try that a name's counter counted last, as a keyed hash: a
-- lock is shown to the spelling that set it. Empty: to any.

-- +goose Up
ALTER TABLE tries ADD COLUMN spelling TEXT NOT NULL DEFAULT '';
