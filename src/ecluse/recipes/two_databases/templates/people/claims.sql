-- Kept until finish: what stood in auth_user_id, where it was another account, or none.
select k.account_id as id, m.auth_user_id as auth_user_id
from {{legacy_profiles}} m
join {{accounts}} k on k.profile_id = m.id
where m.auth_user_id is distinct from k.account_id
