-- The next row of each table gets the next number.
select setval('public.users_id_seq', (select max(id) from public.users)),
       setval('public.strava_connections_id_seq', (select max(id) from public.strava_connections)),
       setval('public.password_reset_tokens_id_seq', (select max(id) from public.password_reset_tokens)),
       setval('public.workouts_id_seq', (select max(id) from public.workouts));
