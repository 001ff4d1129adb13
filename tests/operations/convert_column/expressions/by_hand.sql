ALTER TABLE people DISABLE TRIGGER USER;
ALTER TABLE chats DISABLE TRIGGER USER;
DROP PUBLICATION feed;
DROP POLICY own ON people;
DROP POLICY own_chats ON chats;
DROP POLICY by_setting ON chats;
DROP POLICY of_people ON chats;
DROP POLICY titled ON chats;
DROP POLICY told ON chats;
DROP TRIGGER moved ON chats;
DROP INDEX chats_keeper_like;
DROP INDEX chats_keeper_c;
DROP INDEX chats_lower;
DROP INDEX chats_root;
ALTER TABLE chats DROP CONSTRAINT chats_person_id_fkey, DROP CONSTRAINT chats_keeper_fkey, DROP CONSTRAINT kept_by_another,
    DROP CONSTRAINT no_guests, DROP CONSTRAINT one_title;
ALTER TABLE people DROP CONSTRAINT id_given, DROP COLUMN short, ALTER id DROP DEFAULT, ALTER id TYPE uuid USING id::uuid, ALTER id SET DEFAULT gen_random_uuid();
ALTER TABLE chats ALTER person_id DROP DEFAULT, ALTER person_id TYPE uuid USING person_id::uuid, ALTER keeper TYPE uuid USING keeper::uuid;
ALTER TABLE people ADD COLUMN short text GENERATED ALWAYS AS (left(id::text, 8)) STORED, ADD CONSTRAINT id_given CHECK (id::text <> '');
ALTER TABLE chats ADD CONSTRAINT chats_person_id_fkey FOREIGN KEY (person_id) REFERENCES people (id) ON DELETE CASCADE,
    ADD CONSTRAINT chats_keeper_fkey FOREIGN KEY (keeper) REFERENCES people (id),
    ADD CONSTRAINT kept_by_another CHECK (keeper <> person_id), ADD CONSTRAINT no_guests CHECK (keeper::text NOT LIKE 'guest%'),
    ADD CONSTRAINT one_title EXCLUDE USING btree (lower(keeper::text) WITH =, title WITH =);
CREATE INDEX chats_keeper_like ON chats ((keeper::text) COLLATE "C" text_pattern_ops DESC, title) WHERE keeper::text <> '' AND title <> 'é: keeper';
CREATE UNIQUE INDEX chats_keeper_c ON chats (keeper, id);
CREATE INDEX chats_lower ON chats (lower(person_id::text)) WHERE person_id IS NOT NULL;
COMMENT ON INDEX chats_lower IS 'by the lower';
CREATE INDEX chats_root ON chats (title) WHERE keeper = '00000000-0000-0000-0000-00000000000a'::uuid;
CREATE TRIGGER moved BEFORE UPDATE ON chats FOR EACH ROW WHEN (old.keeper IS DISTINCT FROM new.keeper AND new.person_id::text <> '') EXECUTE FUNCTION pass();
CREATE POLICY own ON people USING (id = (SELECT auth.uid())) WITH CHECK (id = auth.uid());
COMMENT ON POLICY own ON people IS 'mine';
CREATE POLICY own_chats ON chats USING (person_id = auth.uid()) WITH CHECK (person_id = (SELECT auth.uid() AS uid));
CREATE POLICY by_setting ON chats FOR SELECT USING (keeper::text = current_setting('app.keeper', true));
CREATE POLICY of_people ON chats FOR UPDATE USING (person_id IN (SELECT p.id FROM people p WHERE p.id = auth.uid() OR p."e-mail" = 'x'));
CREATE POLICY titled ON chats FOR DELETE USING (EXISTS (SELECT FROM people p WHERE p.id = keeper AND named(p.id) = title));
CREATE POLICY told ON chats AS RESTRICTIVE FOR DELETE USING (keeper = auth.uid());
CREATE PUBLICATION feed FOR TABLE people WHERE (id <> '00000000-0000-0000-0000-000000000000');
ALTER TABLE people ENABLE TRIGGER USER;
ALTER TABLE chats ENABLE TRIGGER USER;
