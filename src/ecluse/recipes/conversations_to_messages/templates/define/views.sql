-- What reports read.

create view public.conversation_stats@{options} as
select c.user_id,
       count(*) as total_conversations,
       sum(c.message_count) as total_messages,
       max(c.last_activity_at) as last_activity
from public.conversations c
where c.status = 'active'
group by c.user_id;

-- The third form of this view: ten columns, the first question of a conversation and its first response.
create view public.user_questions_complete@{options} as
select c.id, c.session_id, c.user_id, q.content as question, r.content as response, c.language, c.created_at,
       r.response_source, r.processing_time_ms, c.status
from public.conversations c
left join lateral (
    select m.content from public.messages m
    where m.conversation_id = c.id and m.role = 'user' order by m.sequence_number limit 1
) q on true
left join lateral (
    select m.content, m.response_source, m.processing_time_ms from public.messages m
    where m.conversation_id = c.id and m.role = 'assistant' order by m.sequence_number limit 1
) r on true
where c.message_count > 0;
@{grants}
