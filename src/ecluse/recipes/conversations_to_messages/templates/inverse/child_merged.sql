union all
-- Rows that became one with that of an older legacy row.
select @{columns}
from {{conversations}} c
cross join jsonb_array_elements(c.metadata #> '{legacy,rows}') with ordinality b (residue, place)
cross join jsonb_array_elements(b.residue -> '@{child}_merged') t (was)
where b.residue ? 'silent' or exists (
    select from {{messages}} m
    where m.conversation_id = c.id and m.id::text = coalesce(b.residue ->> 'head', b.residue ->> 'id'))
