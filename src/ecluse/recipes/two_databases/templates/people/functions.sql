-- What the application calls. All functions find their tables by full names: one that follows somebody's search_path can
-- be led to somebody's tables.

create function public.set_profile_updated_at() returns trigger
language plpgsql set search_path = '' as $$
begin
    new.updated_at = now();
    return new;
end
$$;

-- One person or nobody: an e-mail that two people write in upper and lower case is neither's, but for who has it exactly so.
create function public.get_user_by_email(p_email text)
returns table (id uuid, email text, first_name text, last_name text, full_name text, user_type text, plan text)
language plpgsql stable set search_path = '' as $$
begin
    return query
    select u.id, u.email::text, u.first_name::text, u.last_name::text, u.full_name::text, u.user_type::text, u.plan::text
    from public.users u
    where lower(u.email) = lower(p_email) and u.is_active is not false
      and (u.email = p_email
           or not exists (select from public.users o where lower(o.email) = lower(p_email) and o.id <> u.id));
end
$$;

-- Everybody for themselves; the application's own key (service_role) for anybody.
create function public.update_last_login(p_user_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
begin
    update public.users u set last_login_at = now()
    where u.id = p_user_id
      and (p_user_id = auth.uid() or auth.role() = 'service_role' or auth.jwt() is null);
end
$$;

-- Who knows an e-mail must not learn from it who uses the application, so nobody asks but the application's own key.
revoke execute on function public.set_profile_updated_at() from public, anon, authenticated, service_role;
revoke execute on function public.get_user_by_email(text) from public, anon, authenticated;
revoke execute on function public.update_last_login(uuid) from public, anon;
grant execute on function public.get_user_by_email(text) to service_role;
grant execute on function public.update_last_login(uuid) to authenticated, service_role;
