-- Legacy rows, from conversations and their messages: one for each exchange.
--
-- Where metadata keeps a legacy value, it is given back as it was, unless the new application has changed what that
-- value stood for since (the part "*_as" says what it was).

with spoken as (
    -- Messages with their neighbours. Whatever is neither question nor answer has no place in the legacy shape.
    select c.metadata #> '{legacy,rows}' as residues,
           (m.metadata ->> 'legacy_row')::integer as tie,
           row_number() over talk as number,
           m.conversation_id, m.sequence_number, m.id, m.role, m.content, m.created_at,
           @{own_answers},
           lag(m.role) over talk as previous_role,
           lag(m.metadata ->> 'legacy_row') over talk as previous_tie,
           lead(m.role) over talk as next_role,
           lead(m.metadata ->> 'legacy_row') over talk as next_tie,
           lead(m.content) over talk as next_content,
           lead(m.created_at) over talk as next_created_at,
           @{next_answers}
    from {{conversations}} c
    join {{messages}} m on m.conversation_id = c.id
    where m.role in ('user', 'assistant')
    window talk as (partition by m.conversation_id order by m.sequence_number)
),
exchanges as (
    -- An exchange begins with each question, and with an answer that follows none. One without a tie is the
    -- conversation's first row or, in a conversation of several legacy rows or further down, said since then.
    select s.*,
           case when s.tie is not null then s.tie
                when s.number = 1 and s.sequence_number <= 2 and coalesce(jsonb_array_length(s.residues), 1) < 2 then 1
           end as slot,
           s.role = 'assistant' or s.next_role = 'assistant' and s.next_tie is not distinct from s.tie::text as complete
    from spoken s
    where s.role = 'user' or s.previous_role is distinct from 'user' or s.previous_tie is distinct from s.tie::text
),
placed as (
    -- A conversation always has its first row: part 0 is that row where none of its messages is left.
    select e.conversation_id,
           case when part.number = 0 then 1 else e.slot end as slot,
           case when part.number = 1 then e.id end as message,
           case when part.number = 1 and e.role = 'user' then e.content end as asked,
           case when part.number = 1 and e.role = 'user' then e.created_at end as asked_at,
           case when part.number = 0 then null when e.role = 'assistant' then e.content
                when e.complete then e.next_content end as answered,
           case when part.number = 0 then null when e.role = 'assistant' then e.created_at
                when e.complete then e.next_created_at end as answered_at,
           @{answers}
    from exchanges e
    join (values (0), (1)) part (number) on part.number = 1 or e.number = 1 and e.slot is distinct from 1
),
rows as (
    select c.id as conversation, c.session_id, c.user_id, c.title, c.language, c.status, c.created_at as began,
           c.metadata -> 'legacy' as legacy, p.message, p.asked, p.asked_at, p.answered, p.answered_at,
           @{placed_answers},
           case when p.conversation_id is null then 1 else p.slot end as slot
    from {{conversations}} c
    left join placed p on p.conversation_id = c.id
    union all
    -- Legacy rows that continued a conversation without saying a word.
    select c.id, c.session_id, c.user_id, c.title, c.language, c.status, c.created_at,
           c.metadata -> 'legacy', null, null, null, null, null,
           @{no_answers},
           b.place::integer
    from {{conversations}} c
    cross join lateral jsonb_array_elements(c.metadata #> '{legacy,rows}') with ordinality b (residue, place)
    where b.place > 1 and b.residue ? 'silent'
),
kept as (
    select r.*, r.legacy -> 'rows' -> (r.slot - 1) as k from rows r
)
select @{columns}
from kept s
