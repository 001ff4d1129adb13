CREATE TABLE public.t (id integer PRIMARY KEY);
INSERT INTO public.t VALUES (1);
CREATE TYPE public.provider_type AS ENUM ('strava', 'garmin', 'it''s');
