-- Run in a transaction that is rolled back. Raises when a function does not say what it should.

do $probe$
declare
    v_user public.users.id%type := (select u.id from public.users u order by u.id limit 1);
    v_connection public.provider_connections.id%type :=
        (select c.id from public.provider_connections c order by c.id limit 1);
    v_said text;
    v_expired boolean;
begin
    v_said := public.get_user_full_name(@{no_user});
    if v_said is distinct from 'Unknown User' then
        raise exception 'get_user_full_name calls a user who is not there %', v_said;
    end if;
    if v_user is not null then
        update public.users set first_name = ' Ada ', last_name = 'Probe' where id = v_user;
        v_said := public.get_user_full_name(v_user);
        if v_said is distinct from 'Ada Probe' then
            raise exception 'get_user_full_name calls Ada Probe %', v_said;
        end if;
        update public.users set first_name = null, last_name = 'Probe' where id = v_user;
        v_said := public.get_user_full_name(v_user);
        if v_said is distinct from 'Probe' then
            raise exception 'get_user_full_name calls somebody without a first name %', v_said;
        end if;
        update public.users set first_name = '', last_name = ' ' where id = v_user;
        v_said := public.get_user_full_name(v_user);
        if v_said is distinct from 'Unknown User' then
            raise exception 'get_user_full_name calls somebody without names ''%''', v_said;
        end if;
    end if;

    v_expired := public.is_token_expired(@{no_connection});
    if v_expired is not null then
        raise exception 'is_token_expired knows of a connection that is not there: %', v_expired;
    end if;
    if v_connection is not null then
        update public.provider_connections set token_expires_at = @{now} - interval '1 minute' where id = v_connection;
        if public.is_token_expired(v_connection) is distinct from true then
            raise exception 'is_token_expired takes a token that expired for good';
        end if;
        update public.provider_connections set token_expires_at = @{now} + interval '1 hour' where id = v_connection;
        if public.is_token_expired(v_connection) is distinct from false then
            raise exception 'is_token_expired takes a good token for expired';
        end if;
        update public.provider_connections set token_expires_at = null where id = v_connection;
        if public.is_token_expired(v_connection) is distinct from false then
            raise exception 'is_token_expired takes a token that never expires for expired';
        end if;
    end if;
end
$probe$;
@{cleanup}
