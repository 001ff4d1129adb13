CREATE TEMP TABLE new (old text PRIMARY KEY, new text);
INSERT INTO new VALUES ('ann@example.org', 'a0000000-0000-4000-8000-000000000000'), ('bob@example.org', 'b0000000-0000-4000-8000-000000000000'),
    ('30000000-0000-4000-8000-000000000000', 'c0000000-0000-4000-8000-000000000000'), ('dan', 'd0000000-0000-4000-8000-000000000000');
SET session_replication_role = replica;
UPDATE profiles p SET id = new FROM new WHERE old = p.id;
UPDATE notes SET profile_id = new FROM new WHERE old = profile_id;
UPDATE likes SET profile_id = new FROM new WHERE old = profile_id;
