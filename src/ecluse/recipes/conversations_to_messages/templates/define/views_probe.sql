-- Run in a transaction that is rolled back. Raises when a view does not show what it should.

do $probe$
declare
    v_user constant uuid := gen_random_uuid();
    v_id uuid;
    v_other uuid;
begin
    v_id := public.create_conversation_with_messages(gen_random_uuid(), v_user, 'first', 'answer', 'es', 'rag', 0.9, 7);
    perform public.add_message_to_conversation(v_id, 'user', 'second');
    v_other := public.create_conversation_with_messages(gen_random_uuid(), v_user, 'gone', 'away');
    update public.conversations set status = 'deleted' where id = v_other;

    if not exists (
        select from public.user_questions_complete v
        where v.id = v_id and v.user_id = v_user and v.question = 'first' and v.response = 'answer'
          and v.language = 'es' and v.response_source = 'rag' and v.processing_time_ms = 7 and v.status = 'active'
    ) then
        raise exception 'user_questions_complete does not show a conversation as it is';
    end if;
    if not exists (
        select from public.conversation_stats v
        where v.user_id = v_user and v.total_conversations = 1 and v.total_messages = 3 and v.last_activity is not null
    ) then
        raise exception 'conversation_stats does not count as it should';
    end if;
end
$probe$;
