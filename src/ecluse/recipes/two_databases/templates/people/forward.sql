-- A profile gets the id of its account: what accounts.csv says, else what it says itself. Its former id stays with it.
select coalesce(k.account_id, m.auth_user_id) as id,
       m.id as profile_id,
       @{columns}
from {{legacy_profiles}} m
left join {{accounts}} k on k.profile_id = m.id
