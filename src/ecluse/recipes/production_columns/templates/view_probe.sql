-- Run in a transaction that is rolled back. Raises when the view does not show what the table holds.

do $probe$
begin
    if exists (
        select c.id::text, c.question, c.response, c.response_source, c.processing_time_ms, c.feedback::text
        from (select * from public.conversations where question is not null and response is not null limit 1000) c
        except
        select v.id, v.question, v.response_text, v.response_source, v.processing_time_ms, v.feedback
        from public.user_questions_complete v
    ) then
        raise exception 'user_questions_complete does not show every question that has its response';
    end if;
end
$probe$;
