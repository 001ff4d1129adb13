ALTER TABLE public.t ADD COLUMN tongue text DEFAULT 'en';
DROP VIEW public.long_words;
DROP VIEW public.words;
CREATE VIEW public.words AS SELECT id, word, tongue FROM public.t;
CREATE VIEW public.long_words AS SELECT id FROM public.words WHERE length(word) > 3;
CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.seen := NEW.seen + 1; RETURN NEW; END';
CREATE TRIGGER see BEFORE UPDATE ON public.u FOR EACH ROW EXECUTE FUNCTION public.see();
