CREATE TYPE public.state AS ENUM ('open', 'closed');
CREATE TABLE public.connections (id integer PRIMARY KEY, provider text NOT NULL, state public.state DEFAULT 'open');
CREATE TABLE public.devices (id integer PRIMARY KEY, name text);
INSERT INTO public.connections SELECT n, (ARRAY['strava', 'garmin'])[1 + n % 2] FROM generate_series(1, 200) n;
INSERT INTO public.devices VALUES (1, 'watch'), (2, 'ring');
