-- The old tables come back; what was written to the new ones is lost.
BEGIN;
SET LOCAL lock_timeout = '5s';
DROP TABLE tags, conversations;
ALTER TABLE conversations_old RENAME TO conversations;
ALTER TABLE tags_old RENAME TO tags;
COMMIT;
