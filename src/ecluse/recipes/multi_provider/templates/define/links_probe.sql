-- Run in a transaction that is rolled back. Raises when an activity is linked to somebody else's connection, or to none
-- without a reason, or when what keeps the tables truthful is not there.

do $probe$
declare
    v_wrong bigint;
begin
    select count(*) into v_wrong from public.activities a
    join public.provider_connections c on c.id = a.connection_id
    where c.user_id is distinct from a.user_id;
    if v_wrong > 0 then
        raise exception '% activities are linked to a connection of somebody else', v_wrong;
    end if;
    if not exists (
        select from pg_constraint k
        where k.conrelid = 'public.activities'::regclass and k.contype = 'u' and k.conkey = array(
            select a.attnum from pg_attribute a where a.attrelid = k.conrelid
            and a.attname in ('connection_id', 'external_id') order by a.attname)
    ) then
        raise exception 'activities may hold one activity of a connection twice';
    end if;

    begin
        insert into public.sync_history (connection_id, sync_status, sync_started_at, sync_completed_at)
        values (@{no_connection}, 'done', now(), now());
        raise exception 'sync_history takes the status ''done''';
    exception when check_violation then
        null;  -- as it should be
    end;
    begin
        insert into public.sync_history (connection_id, sync_status) values (@{no_connection}, 'success');
        raise exception 'sync_history takes a success without an end';
    exception when check_violation then
        null;
    end;
    begin
        insert into public.sync_history (connection_id, sync_status) values (@{no_connection}, 'running');
        raise exception 'sync_history takes a connection that is not there';
    exception when foreign_key_violation then
        null;
    end;
end
$probe$;

-- As long as the old tables are kept: a user who had one connection, and has it still, has no activity without it that
-- came from the provider.
do $probe$
declare
    v_wrong bigint;
begin
    if to_regclass('@{kept}.activities') is null or to_regclass('@{kept}.strava_connections') is null then
        return;
    end if;
    with one as (
        select o.user_id, (array_agg(o.id))[1] as id from @{kept}.strava_connections o
        group by o.user_id having count(*) = 1
    )
    select count(*) into v_wrong from public.activities a
    join @{kept}.activities k on k.id = a.id and k.user_id = a.user_id
    join one on one.user_id = k.user_id
    join public.provider_connections c on c.id = one.id and c.user_id = k.user_id
    where a.connection_id is null and a.external_id is not null and k.strava_activity_id is not null;
    if v_wrong > 0 then
        raise exception '% activities came by a connection and are linked to none', v_wrong;
    end if;
    select count(*) into v_wrong from @{kept}.strava_connections o
    join public.provider_connections c on c.id = o.id
    where c.provider = 'strava' and c.user_id is distinct from o.user_id;
    if v_wrong > 0 then
        raise exception '% connections are somebody else''s than before', v_wrong;
    end if;
end
$probe$;
