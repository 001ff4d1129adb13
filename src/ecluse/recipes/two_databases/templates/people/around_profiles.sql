
-- Who may do what. No policy reads a table, so none can recurse, and auth.uid() is asked once for a query.
@{rights};

drop trigger if exists update_users_updated_at on public.users;
create trigger update_users_updated_at before update on public.users
    for each row execute function public.set_profile_updated_at();

-- Accounts that have no profile, and why: for whoever may read accounts anyway.
create or replace view public.accounts_without_profile as
select a.id, a.email,
       case when a.email is null then 'it has no e-mail'
            when exists (select from public.users u where u.email = a.email) then 'another profile has its e-mail'
            else 'none was made yet' end as reason
from auth.users a
where a.deleted_at is null and not exists (select from public.users u where u.id = a.id);
revoke all on public.accounts_without_profile from public, anon, authenticated, service_role;
grant select on public.accounts_without_profile to service_role;

-- Profiles follow accounts.
create or replace function public.handle_new_user() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    -- Where another profile has the e-mail already, that one stays whose it is, and this account has none yet:
    -- public.accounts_without_profile tells. Metadata is the user's own word, so type and plan are never taken from it.
    insert into public.users (@{columns})
    select
        @{values}
    where new.email is not null
    on conflict do nothing;
    if tg_op = 'UPDATE' then
        update public.users u
        set email = new.email, email_verified = new.email_confirmed_at is not null
        where u.id = new.id and new.email is not null
          and (u.email, u.email_verified) is distinct from (new.email, new.email_confirmed_at is not null);
    end if;
    return null;
exception when others then
    -- A profile can be made later; a sign-up that fails is a person who leaves.
    raise warning 'the profile of an account was not written (%)', sqlstate;
    return null;
end
$$;
revoke execute on function public.handle_new_user() from public, anon, authenticated, service_role;
drop trigger if exists on_auth_user_created on auth.users;
create trigger on_auth_user_created after insert on auth.users
    for each row execute function public.handle_new_user();
drop trigger if exists on_auth_user_changed on auth.users;
create trigger on_auth_user_changed after update of email, email_confirmed_at on auth.users
    for each row execute function public.handle_new_user();
