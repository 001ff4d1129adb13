select n.profile_id as id,
       case when c.id is null then n.id else c.auth_user_id end as auth_user_id,
       @{columns}
from {{profiles}} n
left join {{profile_claims}} c on c.id = n.id
