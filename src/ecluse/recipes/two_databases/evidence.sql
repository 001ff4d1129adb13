-- Profiles whose own word does not settle whose they are, each with the account that its e-mail proves, or why none is.
-- E-mails are compared without upper and lower case, so twins that differ by case prove nothing.

with looked_at as (
    select p.id, p.auth_user_id,
           (select count(*) from public.users o where o.auth_user_id = p.auth_user_id) as claiming,
           (select count(*) from public.users o where lower(o.email) = lower(p.email)) as sharing,
           exists (select from auth.users a where a.id = p.auth_user_id) as there,
           (select array_agg(a.id) from auth.users a where lower(a.email) = lower(p.email)) as by_email
    from public.users p
),
proved as (
    select l.*, case when l.auth_user_id is null and l.sharing = 1 and cardinality(l.by_email) = 1
                      and not exists (select from public.users o where o.auth_user_id = l.by_email[1])
                     then l.by_email[1] end as account
    from looked_at l
)
select id::text, account::text,
       case when account is not null then ''
            when auth_user_id is null then 'the profile names no account'
            when not there then 'there is no account of that id'
            when claiming > 1 then 'more than one profile claims the account'
            else 'its e-mail is that of another account' end
from proved
where auth_user_id is null or not there or claiming > 1 or not auth_user_id = any (by_email)
order by id
