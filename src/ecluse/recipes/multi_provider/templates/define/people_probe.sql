
do $probe$
declare
    v_owner public.users.id%type := (select c.user_id from public.provider_connections c order by c.id limit 1);
    v_seen bigint;
    v_own bigint := (select count(*) from public.provider_connections c where c.user_id = v_owner);
begin
    if v_owner is null or not pg_has_role('authenticated', '@{member}') then
        return;
    end if;
    perform set_config('request.jwt.claims',
                       json_build_object('sub', v_owner::text, 'role', 'authenticated')::text, true);
    set local role authenticated;
    select count(c.id) into v_seen from public.provider_connections c;
    if v_seen <> v_own or exists (select c.id from public.provider_connections c where c.user_id <> v_owner) then
        raise exception 'a user with % connections sees %', v_own, v_seen;
    end if;
    @{more}
    reset role;
    perform set_config('request.jwt.claims',
                       json_build_object('sub', '@{stranger}', 'role', 'authenticated')::text, true);
    set local role authenticated;
    if exists (select c.id from public.provider_connections c) or exists (select h.id from public.sync_history h) then
        raise exception 'a stranger sees connections';
    end if;
    reset role;
    perform set_config('request.jwt.claims', '', true);
end
$probe$;
