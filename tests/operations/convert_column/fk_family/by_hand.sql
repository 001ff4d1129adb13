ALTER TABLE people DISABLE TRIGGER USER;
DROP VIEW asked;
DROP MATERIALIZED VIEW counted;
DROP PUBLICATION feed;
DROP POLICY own ON conversations;
ALTER TABLE tags DROP CONSTRAINT tags_conversation_fkey;
ALTER TABLE conversations DROP CONSTRAINT conversations_parent_fkey, DROP CONSTRAINT conversations_person_id_fkey;
DROP INDEX conversations_parent;
ALTER TABLE people ALTER id DROP DEFAULT, ALTER id TYPE uuid USING id::uuid, ALTER id SET DEFAULT gen_random_uuid();
ALTER TABLE conversations ALTER id DROP DEFAULT, ALTER id TYPE uuid USING id::uuid, ALTER id SET DEFAULT gen_random_uuid(),
    ALTER person_id TYPE uuid USING person_id::uuid, ALTER parent_id TYPE uuid USING parent_id::uuid;
ALTER TABLE tags ALTER conversation_id TYPE uuid USING conversation_id::uuid, ALTER person_id TYPE uuid USING person_id::uuid;
CREATE INDEX conversations_parent ON conversations (parent_id) WHERE parent_id IS NOT NULL;
ALTER TABLE conversations ADD CONSTRAINT conversations_person_id_fkey
    FOREIGN KEY (person_id) REFERENCES people (id) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE conversations ADD CONSTRAINT conversations_parent_fkey
    FOREIGN KEY (parent_id) REFERENCES conversations (id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE tags ADD CONSTRAINT tags_conversation_fkey FOREIGN KEY (conversation_id, person_id)
    REFERENCES conversations (id, person_id) ON UPDATE CASCADE ON DELETE CASCADE;
CREATE POLICY own ON conversations FOR SELECT TO PUBLIC USING (person_id IS NOT NULL AND question <> current_setting('app.secret', true));
CREATE VIEW asked AS SELECT p.email, c.id, c.question FROM conversations c JOIN people p ON p.id = c.person_id;
CREATE MATERIALIZED VIEW counted AS SELECT person_id, count(*) AS n FROM conversations GROUP BY 1;
CREATE UNIQUE INDEX counted_person ON counted (person_id);
GRANT SELECT ON asked TO pg_monitor;
CREATE PUBLICATION feed FOR TABLE conversations (id, question) WHERE (id IS NOT NULL), tags; -- >= 15
CREATE PUBLICATION feed FOR TABLE conversations, tags; -- < 15
ALTER TABLE people ENABLE TRIGGER USER;
