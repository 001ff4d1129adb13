-- Rows of @{table}, pointing at the legacy row that they belonged to: the first one of the conversation, unless metadata
-- says another one, and that one still has a message (or never had one).

select @{columns}
from {{conversations}} c
join {{@{alias}}} t on t.@{reference} = c.id
left join lateral (
    select b.residue ->> 'id' as id
    from jsonb_array_elements(c.metadata #> '{legacy,rows}') with ordinality b (residue, place)
    where b.place > 1
      and b.residue -> '@{child}' ? @{key}
      and (b.residue ? 'silent' or exists (
          select from {{messages}} m
          where m.conversation_id = c.id and m.id::text = coalesce(b.residue ->> 'head', b.residue ->> 'id')))
    limit 1
) b on true
@{merged}
