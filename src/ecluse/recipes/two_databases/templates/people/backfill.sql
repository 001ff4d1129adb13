-- A profile for each account that has none. The ordinary and the older account come first, where two have one e-mail: who
-- is left out stands in public.accounts_without_profile.

insert into public.users (@{columns})
select
    @{values}
from auth.users a
where a.email is not null and a.deleted_at is null
  and not exists (select from public.users u where u.id = a.id)@{undecided}
order by a.is_sso_user, a.created_at, a.id
on conflict do nothing;
