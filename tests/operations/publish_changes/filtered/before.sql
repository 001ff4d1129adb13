-- Published by nobody, published already, and published elsewhere, with every kind of replica identity.
CREATE TABLE public.conversations (id uuid PRIMARY KEY, user_id uuid NOT NULL, title text);
CREATE UNIQUE INDEX conversations_owner ON public.conversations (user_id, id);
INSERT INTO public.conversations VALUES
    ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-00000000000a', 'first'),
    ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-00000000000b', 'second');
CREATE TABLE public.documents (id integer PRIMARY KEY, title text);
ALTER TABLE public.documents REPLICA IDENTITY NOTHING;
CREATE TABLE public."Watch ""list""" (id integer PRIMARY KEY, "user" text NOT NULL);
CREATE UNIQUE INDEX "by user" ON public."Watch ""list""" ("user");
ALTER TABLE public."Watch ""list""" REPLICA IDENTITY USING INDEX "by user";
CREATE PUBLICATION elsewhere FOR TABLE public."Watch ""list""";
