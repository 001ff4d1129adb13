ALTER TABLE t ALTER id TYPE uuid USING id::uuid;
INSERT INTO settings VALUES ('pause', 'on');
INSERT INTO settings SELECT 'rows', count(*) FROM settings;
