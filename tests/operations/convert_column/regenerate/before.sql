-- Session ids that are no UUIDs get one, and keep their references: by key, by name only, and composite.
CREATE TABLE sessions (id varchar(60) PRIMARY KEY, title text);
CREATE TABLE calls (
    session_id varchar(60) REFERENCES sessions (id) ON UPDATE CASCADE ON DELETE SET NULL, call int, PRIMARY KEY (call)
);
CREATE INDEX calls_session ON calls (session_id);
CREATE TABLE audit (at int PRIMARY KEY, session text);
INSERT INTO sessions SELECT CASE n % 4
    WHEN 0 THEN md5('s' || n)::uuid::text
    WHEN 1 THEN 'whatsapp_+1555123' || n
    WHEN 2 THEN 'voice_{' || n || E'}_\\x' || n
    ELSE upper(md5('s' || n)::uuid::text) END, 's' || n FROM generate_series(1, 200) n;
INSERT INTO calls SELECT id, row_number() OVER (ORDER BY title) FROM sessions;
INSERT INTO calls VALUES (NULL, 1000);
INSERT INTO audit SELECT row_number() OVER (ORDER BY title), id FROM sessions;
INSERT INTO audit VALUES (1000, 'of nobody'), (1001, NULL);
