CREATE PUBLICATION supabase_realtime FOR TABLE public.conversations, public.documents, public."Watch ""list""";
ALTER TABLE public.conversations REPLICA IDENTITY USING INDEX conversations_owner;
ALTER TABLE public.documents REPLICA IDENTITY DEFAULT;
ALTER TABLE public."Watch ""list""" REPLICA IDENTITY FULL;
