DROP VIEW runs;
ALTER TABLE activities DROP CONSTRAINT activities_kind_check, ADD COLUMN kind_as_written varchar(40);
COMMENT ON COLUMN activities.kind_as_written IS 'kind as it was written';
UPDATE activities SET kind_as_written = kind;
ALTER TABLE activities ALTER kind DROP DEFAULT;
ALTER TABLE activities ALTER kind TYPE public.sport USING (CASE WHEN lower(kind) IN ('run', 'trailrun') THEN 'run'
    WHEN lower(kind) IN ('ride', 'cycling', 'e-bike "x"') THEN 'ride' ELSE 'other' END)::public.sport;
ALTER TABLE activities ALTER kind SET DEFAULT 'run'::public.sport;
ALTER TABLE people DROP CONSTRAINT people_rank_check, ALTER rank DROP DEFAULT;
ALTER TABLE people ALTER rank TYPE public.rank USING (CASE lower(rank) WHEN 'trainer' THEN 'coach' ELSE lower(rank) END)::public.rank;
ALTER TABLE people ALTER rank SET DEFAULT 'athlete'::public.rank;
CREATE VIEW runs AS SELECT id, note FROM activities WHERE note LIKE 'x%';
