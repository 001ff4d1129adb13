-- Chance that is the same each time: functions of a row's number, a word, and the seed. They leave with the session.

create or replace function pg_temp.dice(n bigint, word text) returns double precision language sql immutable
    return (hashtextextended(n::text || word, @{seed}) & 2147483647) / 2147483648.0::double precision;

create or replace function pg_temp.uuid_of(n bigint, word text) returns text language sql immutable
    return overlay(overlay(md5('@{seed}' || word || n::text) placing '4' from 13) placing 'a' from 17)::uuid::text;

create or replace function pg_temp.cut(said text, most integer) returns text language sql immutable
    return case when length(said) > most then left(said, most - 3) || '...' else said end;

-- Sentences with accents, quotes, a backslash, a tab and a line end; `size` characters of them.
create or replace function pg_temp.prose(n bigint, word text, size integer) returns text language sql immutable
    return left(repeat((array[
        'Quelle est la température idéale pour des poulets de trois semaines ? ',
        'How much water does a flock of 20,000 birds drink in a day when it''s hot? ',
        'Le taux d''humidité devrait rester entre 50 % et 70 %, avec une ventilation minimale. ',
        'Check the feeders first; a weight gain of 62 g/day is "normal" for this breed. ',
        E'Voici un résumé :\n- densité : 32 kg/m²\n- lumière : 18 h\tpar jour\n',
        'El consumo aumenta cerca de 2 % por cada grado; véase C:\tablas\consumo. ',
        'Combien d''œufs par semaine — 6 à 7 ✓ — à 30 semaines ? '
    ])[1 + floor(pg_temp.dice(n, word) * 7)::integer], 12), size);
