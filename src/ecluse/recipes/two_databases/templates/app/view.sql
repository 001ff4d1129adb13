-- The first form of this view: twenty-two columns, a row for each active question that has its response.

create view @{view}@{options} as
select c.id::text as id, c.session_id::text as session_id, c.user_id::text as user_email, c.id::text as question_id,
       c.question, c.response as response_text, c.response_source, c.response_confidence,
       0.0 as completeness_score, coalesce(c.processing_time_ms, 1000.0) as processing_time_ms,
       coalesce(c.language, 'fr') as language, 'question_answer'::text as intent, c.feedback, c.feedback_comment,
       '{}'::jsonb as entities, null::text as error_type, null::text as error_message,
       null::text as error_traceback, length(c.response) / 1024 as data_size_kb,
       coalesce(c.status, 'success') as status, c.created_at, c.updated_at
from @{conversations} c
where c.question is not null and c.response is not null and c.status = 'active';
