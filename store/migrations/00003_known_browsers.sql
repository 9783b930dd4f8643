-- Which person proved level two in which browser, by the SHA-256 of a cookie.

-- +goose Up
CREATE TABLE known_browsers (
    person_id TEXT NOT NULL REFERENCES persons (id),
    browser   BYTEA NOT NULL,
    proved_at BIGINT NOT NULL,
    PRIMARY KEY (person_id, browser)
);
CREATE INDEX known_browsers_proved ON known_browsers (proved_at);
