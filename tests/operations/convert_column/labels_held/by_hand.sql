DELETE FROM people WHERE rank IN ('pro', 'lab');
ALTER TABLE people ALTER rank TYPE public.rank USING rank::public.rank;
ALTER TABLE people ALTER was DROP DEFAULT;
ALTER TABLE people ALTER was TYPE public.rank USING was::text::public.rank, ALTER was SET DEFAULT 'coach'::public.rank;
