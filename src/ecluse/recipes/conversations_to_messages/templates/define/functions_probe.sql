-- Run in a transaction that is rolled back. Raises when a function or the trigger does not do its work.

do $probe$
declare
    v_session constant uuid := gen_random_uuid();
    v_user constant uuid := gen_random_uuid();
    v_id uuid;
    v_answer uuid;
    v_conversation public.conversations;
    v_said text;
begin
    v_id := public.create_conversation_with_messages(v_session, v_user, repeat('question ', 30), 'response', 'en');
    select * into v_conversation from public.conversations c where c.id = v_id;
    if (v_conversation.session_id, v_conversation.user_id, v_conversation.language, v_conversation.message_count,
        v_conversation.status) is distinct from (v_session, v_user, 'en', 2, 'active') then
        raise exception 'create_conversation_with_messages made %', v_conversation;
    end if;
    if v_conversation.first_message_preview is distinct from left(repeat('question ', 30), 200)
        or v_conversation.last_message_preview is distinct from 'response'
        or v_conversation.title is distinct from left(repeat('question ', 30), 60) || '...' then
        raise exception 'update_conversation_on_message_insert left %', v_conversation;
    end if;

    perform public.add_message_to_conversation(v_id, 'user', 'and then?');
    v_answer := public.add_message_to_conversation(v_id, 'assistant', 'that', 'rag', 0.5, 12);
    perform public.add_message_to_conversation(v_id, 'assistant', 'and this');
    select string_agg(m.sequence_number || ' ' || m.role || ' ' || left(m.content, 8), ', ') into v_said
    from public.get_conversation_messages(v_id) m;
    if v_said is distinct from
        '1 user question, 2 assistant response, 3 user and then, 4 assistant that, 5 assistant and this' then
        raise exception 'get_conversation_messages gave: %', v_said;
    end if;
    if not exists (
        select from public.get_conversation_messages(v_id) m
        where m.id = v_answer and (m.response_source, m.response_confidence, m.processing_time_ms) = ('rag', 0.5, 12)
    ) then
        raise exception 'add_message_to_conversation lost what it was told of the answer';
    end if;
    select * into v_conversation from public.conversations c where c.id = v_id;
    if (v_conversation.message_count, v_conversation.last_message_preview) is distinct from (5, 'and this')
        or v_conversation.last_activity_at < v_conversation.created_at then
        raise exception 'update_conversation_on_message_insert left %', v_conversation;
    end if;

    begin
        perform public.add_message_to_conversation(gen_random_uuid(), 'user', 'to nobody');
        raise exception 'add_message_to_conversation took a conversation that is not there';
    exception when foreign_key_violation then
        null;  -- as it should be
    end;
    if exists (select from public.get_conversation_messages(gen_random_uuid())) then
        raise exception 'get_conversation_messages found messages of a conversation that is not there';
    end if;
end
$probe$;
