-- What is drawn for all tables. They leave with the session, or with the transaction.

-- Somebody who never was: an id far above all others, 0 or -1.
create or replace function pg_temp.stranger(n bigint) returns integer language sql immutable
    return coalesce((array[0, -1])[n % 3], @{rows} + 10000 + n % 40);

-- The owner of a row: anybody, or one of the ten who are always there. Every 200th row belongs to a stranger.
create or replace function pg_temp.owner_of(n bigint, word text) returns integer language sql immutable
    return case when n % 200 = 7 then pg_temp.stranger(n / 200 + length(word))
                when pg_temp.dice(n, word || ' often') < 0.02 then 1 + n % least(10, @{rows})
                else 1 + floor(pg_temp.dice(n, word) * @{rows}) end::integer;

-- A naive time in UTC, some time in the year 2025.
create or replace function pg_temp.moment(n bigint, word text) returns timestamp language sql immutable
    return timestamp '2025-01-06 08:00' + floor(pg_temp.dice(n, word) * 300 * 86400) * interval '1 second';

-- A text of several paragraphs, each with its title.
create or replace function pg_temp.pages(n bigint, word text, paragraphs integer) returns text language sql immutable
    return (select string_agg('## ' || p || e'\n\n' || pg_temp.prose(n + p, word, 900), e'\n\n' order by p)
            from generate_series(1, paragraphs) p);

-- As Python's token_urlsafe(32) makes them.
create or replace function pg_temp.token(n bigint, word text) returns text language sql immutable
    return translate(encode(sha256(convert_to('@{seed}' || word || n, 'UTF8')), 'base64'), '+/=', '-_');

-- Those who are something particular, by places in an order that the seed draws. The admin is nobody particular.
create temporary table shares on commit drop as
select what, kind, sum(many) over (partition by what order by place) - many as after,
       sum(many) over (partition by what order by place) as upto
from (values
    ('email', 1, 'twin', 2 * greatest(1, round(@{rows} * 0.0025))),
    ('email', 2, 'missing', greatest(3, round(@{rows} * 0.01))),
    ('email', 3, 'invalid', greatest(5, round(@{rows} * 0.005))),
    ('email', 4, 'untidy', greatest(3, round(@{rows} * 0.005))),
    ('email', 5, 'long', greatest(1, round(@{rows} * 0.001))),
    ('email', 6, 'good', @{rows}),
    ('password', 1, 'argon2id', greatest(1, round(@{rows} * 0.08))),
    ('password', 2, 'argon2i', greatest(1, round(@{rows} * 0.02))),
    ('password', 3, 'fbscrypt', greatest(1, round(@{rows} * 0.04))),
    ('password', 4, 'refused', greatest(11, round(@{rows} * 0.06))),
    ('password', 5, 'bcrypt', @{rows}),
    ('state', 1, 'inactive', greatest(1, round(@{rows} * 0.02))),
    ('state', 2, 'long name', greatest(1, round(@{rows} * 0.001))),
    ('state', 3, 'active', @{rows})
) share (what, place, kind, many);

create temporary table drawn on commit drop as
select o.id, e.kind as email, (o.email - e.after)::integer as nth_email,
       p.kind as password, (o.password - p.after)::integer as nth_password, s.kind as state
from (
    select id, row_number() over (order by id = 1, pg_temp.dice(id, 'email'), id) as email,
           row_number() over (order by id = 1, pg_temp.dice(id, 'password'), id) as password,
           row_number() over (order by id = 1, pg_temp.dice(id, 'state'), id) as state
    from generate_series(1, @{rows}) id
) o
join shares e on e.what = 'email' and o.email > e.after and o.email <= e.upto
join shares p on p.what = 'password' and o.password > p.after and o.password <= p.upto
join shares s on s.what = 'state' and o.state > s.after and o.state <= s.upto;

-- Two and two have an address that differs in its case.
create or replace function pg_temp.twin(n integer) returns text language sql immutable
    return case when n % 2 = 1 then 'same.name' || (n + 1) / 2 || '@example.com'
                when n % 6 = 2 then 'Same.Name' || n / 2 || '@example.com'
                when n % 6 = 4 then 'same.name' || n / 2 || '@Example.com'
                else upper('same.name' || n / 2 || '@example.com') end;
