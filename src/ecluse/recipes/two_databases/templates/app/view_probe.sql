-- Run in a transaction that is rolled back. Raises when the view does not show what the table holds.

do $probe$
begin
    if exists (
        select c.id::text, c.user_id::text, c.question, c.response, c.feedback
        from (select * from public.conversations where status = 'active' limit 1000) c
        except
        select v.id, v.user_email, v.question, v.response_text, v.feedback from public.user_questions_complete v
    ) then
        raise exception 'user_questions_complete does not show every active question';
    end if;
    if exists (
        select from public.user_questions_complete v join public.conversations c on c.id::text = v.id
        where c.status is distinct from 'active'
    ) then
        raise exception 'user_questions_complete shows a question that is not active';
    end if;
end
$probe$;
