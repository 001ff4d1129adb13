-- Messages, from legacy rows: the question and the response of each, where they are not empty.
--
-- Ids come from the row's id, so that the same row always gives the same messages. The first message of a row that
-- continues a conversation has the id of that row: a message that the new application adds comes back with its own.

@{head}
select case when s.place > 1 and (m.role = 'user' or s.asked is null) then s.own_uuid
            when m.role = 'user' then @{user_message}
            else @{assistant_message} end as id,
       s.conversation as conversation_id,
       m.role,
       m.content,
       (s.before + m.number)::integer as sequence_number,
       case when m.role = 'assistant' then @{source} end as response_source,
       case when m.role = 'assistant' then @{confidence} end as response_confidence,
       case when m.role = 'assistant' then @{millis} end as processing_time_ms,
       case when m.role = 'assistant' then s.as_feedback end as feedback,
       case when m.role = 'assistant' then s.as_comment end as feedback_comment,
       m.created_at
from (select * from rows offset 0) s
cross join lateral (values
    ('user', s.asked, s.began, 1),
    ('assistant', s.answered, s.ended, num_nonnulls(s.asked, s.answered))
) m (role, content, created_at, number)
where m.content is not null
