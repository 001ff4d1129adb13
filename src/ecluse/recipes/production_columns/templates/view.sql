-- The second form of this view: twenty columns, a row for each question that has its response.

create view public.user_questions_complete@{options} as
select c.id::text as id, c.session_id::text as session_id, c.user_id::text as user_email, c.question,
       c.response as response_text, c.response_source, c.response_confidence, c.processing_time_ms,
       @{sources} as sources, @{mode} as mode, c.title, c.preview, c.last_message_preview, c.message_count, c.language,
       c.status, c.feedback, c.feedback_comment, c.created_at, c.updated_at
from public.conversations c
where c.question is not null and c.response is not null;
@{extras}
@{dependents}
