CREATE TYPE public.provider_type AS ENUM ('strava', 'garmin', 'fitbit', 'suunto', 'amazfit');
CREATE TABLE public.connections (
    id integer PRIMARY KEY,
    provider public.provider_type NOT NULL DEFAULT 'garmin',
    others public.provider_type[] DEFAULT '{strava}',
    CHECK (provider <> 'fitbit' OR others IS NOT NULL)
);
CREATE INDEX connections_provider ON public.connections (provider) WHERE provider <> 'strava';
CREATE UNIQUE INDEX connections_id_provider ON public.connections (id, provider);
CREATE TABLE public.notes (id integer PRIMARY KEY, body text);
INSERT INTO public.connections SELECT n, (enum_range(NULL::public.provider_type))[1 + n % 3] FROM generate_series(1, 90) n;
INSERT INTO public.notes VALUES (1, 'a'), (2, 'b');
