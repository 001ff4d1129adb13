-- Ratings, kept whole in the metadata of their conversation. Those of a row whose messages are all gone are gone too.

select @{columns}
from {{conversations}} c
cross join lateral jsonb_array_elements(c.metadata #> '{legacy,rows}') with ordinality b (residue, place)
cross join lateral jsonb_array_elements(b.residue -> 'ratings') f (rating)
where b.place = 1 or b.residue ? 'silent' or exists (
    select from {{messages}} m
    where m.conversation_id = c.id and m.id::text = coalesce(b.residue ->> 'head', b.residue ->> 'id'))
