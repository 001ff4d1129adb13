CREATE TYPE public.state AS ENUM ('open', 'closed');
CREATE TYPE public.provider_type AS ENUM ('strava', 'garmin', 'polar');
CREATE TABLE public.connections (id integer PRIMARY KEY, provider public.provider_type NOT NULL, state public.state DEFAULT 'open');
CREATE TABLE public.devices (
    id integer PRIMARY KEY, name text, maker public.provider_type NOT NULL DEFAULT 'polar', all_of public.provider_type[]
);
INSERT INTO public.connections SELECT n, ((ARRAY['strava', 'garmin'])[1 + n % 2])::public.provider_type FROM generate_series(1, 200) n;
INSERT INTO public.devices VALUES (1, 'watch'), (2, 'ring');
