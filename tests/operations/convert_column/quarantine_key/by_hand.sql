DELETE FROM people WHERE id LIKE '%@%';
DELETE FROM events WHERE person LIKE '%@%';
ALTER TABLE chats DROP CONSTRAINT chats_person_fkey;
ALTER TABLE people ALTER id TYPE uuid USING id::uuid;
ALTER TABLE chats ALTER person_id TYPE uuid USING person_id::uuid;
ALTER TABLE chats ADD CONSTRAINT chats_person_fkey
    FOREIGN KEY (person_id) REFERENCES people (id) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE events ALTER person TYPE uuid USING person::uuid;
UPDATE events SET payload = jsonb_set(payload, '{person,id}', to_jsonb((payload #>> '{person,id}')::uuid))
WHERE payload #>> '{person,id}' NOT LIKE '%@%';
