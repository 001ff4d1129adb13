-- Chance that is the same each time: functions of a row's number, a salt, and the seed. They leave with the session.

create or replace function pg_temp.chance(n bigint, salt integer) returns bigint language sql immutable
    return hashint8extended(n * 64 + salt, @{seed}) & 9223372036854775807;

create or replace function pg_temp.share(n bigint, salt integer) returns double precision language sql immutable
    return (hashint8extended(n * 64 + salt, @{seed}) & 2147483647) / 2147483648.0::double precision;

create or replace function pg_temp.uuid_of(n bigint, word text) returns uuid language sql immutable
    return overlay(overlay(md5('@{seed}' || word || n::text) placing '4' from 13) placing 'a' from 17)::uuid;
