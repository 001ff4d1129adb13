CREATE TABLE public.conversations (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  title text,
  parent_id uuid REFERENCES public.conversations (id)
);
CREATE TABLE public.messages (
  conversation_id uuid NOT NULL REFERENCES public.conversations (id) ON DELETE CASCADE,
  n integer NOT NULL,
  content text,
  PRIMARY KEY (conversation_id, n)
);
CREATE TABLE public.log (id integer PRIMARY KEY, about uuid);
INSERT INTO public.conversations VALUES
  ('11111111-1111-1111-1111-111111111111', 'plain', NULL),
  ('abcdef00-0000-0000-0000-000000000002', 'upper', '11111111-1111-1111-1111-111111111111'),
  ('33333333-3333-3333-3333-333333333333', NULL, 'abcdef00-0000-0000-0000-000000000002'),
  ('44444444-4444-4444-4444-444444444444', '', NULL);
INSERT INTO public.messages SELECT id, n, 'm' || n FROM public.conversations, generate_series(1, 2) n;
INSERT INTO public.log VALUES (1, '44444444-4444-4444-4444-444444444444'), (2, NULL);
