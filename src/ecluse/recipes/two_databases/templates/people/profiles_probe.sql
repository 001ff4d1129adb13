-- Run in a transaction that is rolled back: people sign up, and the functions answer. Raises where one does not do its work.

do $probe$
declare
    v_one constant uuid := gen_random_uuid();
    v_two constant uuid := gen_random_uuid();
    v_email constant text := 'probe-' || v_one || '@example.invalid';
begin
    insert into auth.users (instance_id, id, aud, role, email, raw_user_meta_data, created_at, updated_at)
    values ('00000000-0000-0000-0000-000000000000', v_one, 'authenticated', 'authenticated', v_email,
            '{"first_name": "Probe", "user_type": "super_admin", "plan": "enterprise"}', now(), now());
    if not exists (select from public.users where id = v_one and email = v_email and first_name = 'Probe') then
        raise exception 'a sign-up makes no profile';
    end if;
    if exists (select from public.users where id = v_one and (user_type = 'super_admin' or plan = 'enterprise')) then
        raise exception 'people choose their own type and plan when they sign up';
    end if;

    insert into auth.users (instance_id, id, aud, role, email, is_sso_user, created_at, updated_at)
    values ('00000000-0000-0000-0000-000000000000', v_two, 'authenticated', 'authenticated', v_email, true, now(), now());
    if not exists (select from public.users where id = v_one and email = v_email)
       or exists (select from public.users where id = v_two) then
        raise exception 'a second sign-up with the same e-mail changes whose profile it is';
    end if;
    if not exists (select from public.accounts_without_profile where id = v_two) then
        raise exception 'accounts_without_profile leaves an account out';
    end if;

    update auth.users set email_confirmed_at = now() where id = v_one;
    if not exists (select from public.users where id = v_one and email_verified) then
        raise exception 'a confirmed e-mail does not reach the profile';
    end if;
    if (select array_agg(f.id) from public.get_user_by_email(upper(v_email)) f) is distinct from array[v_one] then
        raise exception 'get_user_by_email does not find a person';
    end if;

    perform set_config('request.jwt.claims', json_build_object('sub', v_two, 'role', 'authenticated')::text, true);
    perform public.update_last_login(v_one);
    if exists (select from public.users where id = v_one and last_login_at is not null) then
        raise exception 'update_last_login works for somebody else';
    end if;
    perform set_config('request.jwt.claims', json_build_object('sub', v_one, 'role', 'authenticated')::text, true);
    perform public.update_last_login(v_one);
    if not exists (select from public.users where id = v_one and last_login_at is not null) then
        raise exception 'update_last_login does nothing';
    end if;
    perform set_config('request.jwt.claims', '', true);
end
$probe$;

do $probe$
declare
    v_role text;
    v_name text;
begin
    select proname into v_name from pg_proc
    where pronamespace = 'public'::regnamespace
      and proname in ('handle_new_user', 'set_profile_updated_at', 'get_user_by_email', 'update_last_login')
      and not ('search_path=""' = any (coalesce(proconfig, '{}')));
    if found then
        raise exception '% follows the search_path of whoever calls it', v_name;
    end if;
    foreach v_role in array array['anon', 'authenticated'] loop
        if has_function_privilege(v_role, 'public.get_user_by_email(text)', 'execute')
           or has_table_privilege(v_role, 'public.accounts_without_profile', 'select') then
            raise exception '% may ask who has which e-mail', v_role;
        end if;
    end loop;
    if has_function_privilege('anon', 'public.update_last_login(uuid)', 'execute') then
        raise exception 'anon may say that somebody logged in';
    end if;
end
$probe$;
