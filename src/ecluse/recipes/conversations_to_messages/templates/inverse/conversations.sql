-- Legacy rows, from conversations and their messages: one for each exchange.
--
-- Where metadata keeps a legacy value, it is given back as it was, unless the new application has changed what that
-- value stood for since (the part "*_as" says what it was).

with spoken as (
    -- Messages with their neighbours. Whatever is neither question nor answer has no place in the legacy shape.
    select c.id as conversation, c.session_id, c.user_id, c.title, c.language, c.status, c.created_at as began,
           c.metadata -> 'legacy' as legacy,
           m.id as message, m.role, m.content, m.created_at, m.sequence_number,
           @{own_answers},
           h.place as kept_place,
           row_number() over talk as number,
           lag(m.role) over talk as previous_role,
           lead(m.role) over talk as next_role,
           lead(h.place) over talk as next_place,
           lead(m.content) over talk as next_content,
           lead(m.created_at) over talk as next_created_at,
           @{next_answers}
    from {{conversations}} c
    left join {{messages}} m on m.conversation_id = c.id and m.role in ('user', 'assistant')
    left join lateral (
        -- The legacy row that begins with this message, where that row is kept.
        select b.place::integer as place
        from jsonb_array_elements(c.metadata #> '{legacy,rows}') with ordinality b (residue, place)
        where b.place > 1 and coalesce(b.residue ->> 'head', b.residue ->> 'id') = m.id::text
    ) h on true
    window talk as (partition by c.id order by m.sequence_number)
),
exchanges as (
    -- An exchange begins with each question, with an answer that follows none, and where a kept row begins. It is the
    -- conversation's first row, or a kept one, or was said since then.
    select s.*,
           case when s.message is null then 1
                when s.kept_place is not null then s.kept_place
                when s.number = 1 and s.sequence_number <= 2 then 1
           end as own_slot,
           s.role = 'assistant' or s.next_role = 'assistant' and s.next_place is null as complete
    from spoken s
    where s.role is distinct from 'assistant' or s.previous_role is distinct from 'user' or s.kept_place is not null
),
rows as (
    -- A conversation always has its first row: part 0 is that row where none of its messages is left.
    select e.conversation, e.session_id, e.user_id, e.title, e.language, e.status, e.began, e.legacy,
           case when part.number = 0 then 1 else e.own_slot end as slot,
           case when part.number = 1 then e.message end as message,
           case when part.number = 1 and e.role = 'user' then e.content end as asked,
           case when part.number = 1 and e.role = 'user' then e.created_at end as asked_at,
           case when part.number = 0 then null when e.role = 'assistant' then e.content
                when e.complete then e.next_content end as answered,
           case when part.number = 0 then null when e.role = 'assistant' then e.created_at
                when e.complete then e.next_created_at end as answered_at,
           @{answers}
    from exchanges e
    join (values (0), (1)) part (number) on part.number = 1 or e.number = 1 and e.own_slot is distinct from 1
    union all
    -- Legacy rows that continued a conversation without saying a word.
    select c.id, c.session_id, c.user_id, c.title, c.language, c.status, c.created_at, c.metadata -> 'legacy',
           b.place::integer, null, null, null, null, null,
           @{no_answers}
    from {{conversations}} c
    cross join jsonb_array_elements(c.metadata #> '{legacy,rows}') with ordinality b (residue, place)
    where b.place > 1 and b.residue ? 'silent'
),
kept as (
    select r.*, r.legacy -> 'rows' -> (r.slot - 1) as k from rows r
)
select @{columns}
from kept s
