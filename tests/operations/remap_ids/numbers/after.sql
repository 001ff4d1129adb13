CREATE TABLE public.notes (id serial PRIMARY KEY, user_id uuid NOT NULL, body text);
CREATE INDEX notes_user ON public.notes (user_id);
INSERT INTO public.notes (id, user_id, body)
    SELECT n, (ARRAY['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222',
        '33333333-3333-4333-8333-333333333333', '44444444-4444-4444-8444-444444444444'])[1 + n % 5]::uuid, 'note ' || n
    FROM generate_series(1, 40) n WHERE n % 5 < 4;
SELECT setval('public.notes_id_seq', 40);
CREATE TABLE public.quotas (user_id uuid PRIMARY KEY, bytes integer);
INSERT INTO public.quotas VALUES ('11111111-1111-4111-8111-111111111111', 10),
    ('22222222-2222-4222-8222-222222222222', 20), ('33333333-3333-4333-8333-333333333333', 30),
    ('44444444-4444-4444-8444-444444444444', 40);
