-- Which memories were imported: written in the transaction that imports them, so that a file is known by its content
-- when a process died before it was renamed. `keys` are those of the rows that were inserted.
CREATE TABLE IF NOT EXISTS ecluse.imported_file (
    file text NOT NULL,
    sha256 text NOT NULL,
    into_table text NOT NULL,
    rows bigint NOT NULL,
    imported bigint NOT NULL,
    there bigint NOT NULL,
    empty bigint NOT NULL,
    rejected bigint NOT NULL,
    keys text[] NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (file, sha256, into_table)
);
