-- Run in a transaction that is rolled back. Raises when somebody but the services reads a token.

set local row_security = on;

do $probe$
declare
    v_role text;
    v_open text;
begin
    select format('%s reads %s.%s', r.role, c.relname, a.attname) into v_open
    from unnest(array['anon', 'authenticated']) as r (role),
         (
             values
                 @{secrets}
         ) as s (relation, secret)
    join pg_class c on c.oid = to_regclass('public.' || s.relation)
    join pg_attribute a on a.attrelid = c.oid and a.attname = s.secret and not a.attisdropped
    where has_column_privilege(r.role, c.oid, a.attnum, 'select') limit 1;
    if v_open is not null then
        raise exception '%', v_open;
    end if;
    if exists (
        select from pg_class c where c.relnamespace = 'public'::regnamespace and not c.relrowsecurity
        and c.relname in ('provider_connections', 'sync_history', 'oauth_states')
    ) then
        raise exception 'a table of connections is without row level security';
    end if;

    -- The same once more, as who asks.
    foreach v_role in array array['anon', 'authenticated'] loop
        if pg_has_role(v_role, '@{member}') then
            execute format('set local role %I', v_role);
            begin
                perform c.access_token from public.provider_connections c limit 1;
                raise exception '% reads access tokens', v_role;
            exception when insufficient_privilege then
                null;  -- as it should be
            end;
            begin
                perform c.refresh_token from public.provider_connections c limit 1;
                raise exception '% reads refresh tokens', v_role;
            exception when insufficient_privilege then
                null;
            end;
            begin
                perform s.state from public.oauth_states s limit 1;
                raise exception '% reads the states of others', v_role;
            exception when insufficient_privilege then
                null;
            end;
            reset role;
        end if;
    end loop;
end
$probe$;
@{people}
