-- Messages, from legacy rows: the question and the response of each, where they are not empty.
--
-- Ids come from the row's id, so that the same row always gives the same messages. The first message of a row that
-- continues a conversation has the id of that row: a message that the new application adds comes back with its own.

@{head}
select case when r.place > 1 and (m.role = 'user' or r.asked is null) then r.own_uuid
            when m.role = 'user' then @{user_message}
            else @{assistant_message} end as id,
       r.conversation as conversation_id,
       m.role,
       m.content,
       (r.before + m.number)::integer as sequence_number,
       case when m.role = 'assistant' then @{source} end as response_source,
       case when m.role = 'assistant' then @{confidence} end as response_confidence,
       case when m.role = 'assistant' then @{millis} end as processing_time_ms,
       case when m.role = 'assistant' then r.as_feedback end as feedback,
       case when m.role = 'assistant' then r.as_comment end as feedback_comment,
       case when r.places > 1 then jsonb_build_object('legacy_row', r.place) end as metadata,
       m.created_at
from rows r
cross join lateral (values
    ('user', r.asked, r.began, 1),
    ('assistant', r.answered, r.ended, num_nonnulls(r.asked, r.answered))
) m (role, content, created_at, number)
where m.content is not null
