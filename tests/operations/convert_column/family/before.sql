CREATE TABLE public.conversations (
  id text PRIMARY KEY DEFAULT (gen_random_uuid())::text,
  title text,
  parent_id text REFERENCES public.conversations (id)
);
CREATE TABLE public.messages (
  conversation_id character varying NOT NULL REFERENCES public.conversations (id) ON DELETE CASCADE,
  n integer NOT NULL,
  content text,
  PRIMARY KEY (conversation_id, n)
);
CREATE TABLE public.log (id integer PRIMARY KEY, about text);
INSERT INTO public.conversations VALUES
  ('11111111-1111-1111-1111-111111111111', 'plain', NULL),
  ('ABCDEF00-0000-0000-0000-000000000002', 'upper', '11111111-1111-1111-1111-111111111111'),
  ('{33333333-3333-3333-3333-333333333333}', NULL, 'ABCDEF00-0000-0000-0000-000000000002'),
  ('44444444444444444444444444444444', '', NULL);
INSERT INTO public.messages SELECT id, n, 'm' || n FROM public.conversations, generate_series(1, 2) n;
INSERT INTO public.log VALUES (1, '44444444444444444444444444444444'), (2, NULL);
