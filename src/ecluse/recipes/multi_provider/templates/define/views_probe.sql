-- Run in a transaction that is rolled back. Raises when a view does not show what it should.

do $probe$
declare
    v_found text;
    v_users @{user}[] := array(select u.id from public.users u order by u.id limit 200);
    v_activities @{activity}[] := array(select a.id from public.activities a order by a.start_date desc limit 200);
begin
    select string_agg(a.attname, ' ' order by a.attnum) into v_found from pg_attribute a
    where a.attrelid = 'public.user_connections_summary'::regclass and a.attnum > 0 and not a.attisdropped;
    if v_found is distinct from
        'user_id email first_name last_name role total_connections active_connections connected_providers' then
        raise exception 'user_connections_summary has the columns %', v_found;
    end if;
    select string_agg(a.attname, ' ' order by a.attnum) into v_found from pg_attribute a
    where a.attrelid = 'public.recent_activities'::regclass and a.attnum > 0 and not a.attisdropped;
    if v_found is distinct from 'id user_id name activity_type start_date distance moving_time average_heartrate '
        'provider provider_username user_email user_full_name' then
        raise exception 'recent_activities has the columns %', v_found;
    end if;

    if exists (
        select u.id, count(c.id), count(c.id) filter (where c.is_active) from public.users u
        left join public.provider_connections c on c.user_id = u.id
        where u.id = any (v_users) group by u.id
        except
        select v.user_id, v.total_connections, v.active_connections from public.user_connections_summary v
        where v.user_id = any (v_users)
    ) then
        raise exception 'user_connections_summary does not count the connections of each user';
    end if;
    if exists (
        select a.id, a.user_id, a.name::text, c.provider, public.get_user_full_name(a.user_id) from public.activities a
        left join public.provider_connections c on c.id = a.connection_id
        where a.id = any (v_activities)
        except
        select v.id, v.user_id, v.name::text, v.provider, v.user_full_name from public.recent_activities v
        where v.id = any (v_activities)
    ) then
        raise exception 'recent_activities does not show each activity with its provider and its user';
    end if;
end
$probe$;
