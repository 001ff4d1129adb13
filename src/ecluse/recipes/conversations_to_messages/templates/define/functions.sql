-- What the new application calls. All names are qualified and the search_path is empty, so that no other schema can
-- put its own objects in between. Ids of first messages and of answers come from what they belong to, as in the mapping
-- of the legacy rows: a rollback and a second migration give the same ids again.

create function public.update_conversation_metadata() returns trigger
    language plpgsql set search_path = '' as $function$
begin
    -- The lock first, in a statement of its own: the count below then sees every message that is committed.
    perform 1 from public.conversations c where c.id = new.conversation_id for no key update;
    update public.conversations c
    set message_count = (select count(*) from public.messages m where m.conversation_id = new.conversation_id),
        first_message_preview = coalesce(c.first_message_preview, left(new.content, 200)),
        last_message_preview = left(new.content, 200),
        title = case when c.title is null and new.role = 'user' and new.sequence_number = 1
                     then left(new.content, 60) || case when length(new.content) > 60 then '...' else '' end
                     else c.title end,
        last_activity_at = greatest(c.last_activity_at, new.created_at),
        updated_at = greatest(c.updated_at, new.created_at)
    where c.id = new.conversation_id;
    return null;
end
$function$;

create trigger update_conversation_on_message_insert after insert on public.messages
    for each row execute function public.update_conversation_metadata();

create function public.create_conversation_with_messages(
    p_session_id uuid,
    p_user_id uuid,
    p_user_message text,
    p_assistant_response text,
    p_language text default 'fr',
    p_response_source text default 'rag',
    p_response_confidence double precision default 0.85,
    p_processing_time_ms integer default null
) returns uuid language plpgsql set search_path = '' as $function$
declare
    v_id constant uuid := gen_random_uuid();
begin
    insert into public.conversations (id, session_id, user_id, language)
    values (v_id, p_session_id, p_user_id, p_language);
    insert into public.messages (id, conversation_id, role, content, sequence_number)
    values (@{first_message}, v_id, 'user', p_user_message, 1);
    insert into public.messages (
        id, conversation_id, role, content, sequence_number, response_source, response_confidence, processing_time_ms
    ) values (
        @{first_answer}, v_id,
        'assistant', p_assistant_response, 2, p_response_source, p_response_confidence, p_processing_time_ms
    );
    return v_id;
end
$function$;

create function public.add_message_to_conversation(
    p_conversation_id uuid,
    p_role text,
    p_content text,
    p_response_source text default null,
    p_response_confidence double precision default null,
    p_processing_time_ms integer default null
) returns uuid language plpgsql set search_path = '' as $function$
declare
    v_last uuid;
    v_number integer;
    v_role text;
    v_id uuid := gen_random_uuid();
begin
    -- One at a time for each conversation: the next number is free only while this row is locked.
    perform 1 from public.conversations c where c.id = p_conversation_id for no key update;
    if not found then
        raise exception 'there is no conversation %', p_conversation_id using errcode = 'foreign_key_violation';
    end if;
    select m.id, m.sequence_number, m.role into v_last, v_number, v_role from public.messages m
    where m.conversation_id = p_conversation_id order by m.sequence_number desc limit 1;
    if p_role = 'assistant' and v_role = 'user' then
        v_id := @{answer};
    end if;
    -- The clock and not the transaction's time: messages of one transaction keep their order.
    insert into public.messages (
        id, conversation_id, role, content, sequence_number, response_source, response_confidence,
        processing_time_ms, created_at
    ) values (
        v_id, p_conversation_id, p_role, p_content, coalesce(v_number, 0) + 1, p_response_source,
        p_response_confidence, p_processing_time_ms, clock_timestamp()
    );
    return v_id;
end
$function$;

create function public.get_conversation_messages(p_conversation_id uuid)
    returns table (
        id uuid, role text, content text, sequence_number integer, response_source text,
        response_confidence double precision, processing_time_ms integer, feedback text, feedback_comment text,
        created_at timestamptz
    ) language plpgsql stable set search_path = '' as $function$
begin
    return query
    select m.id, m.role, m.content, m.sequence_number, m.response_source, m.response_confidence,
           m.processing_time_ms, m.feedback, m.feedback_comment, m.created_at
    from public.messages m
    where m.conversation_id = p_conversation_id
    order by m.sequence_number;
end
$function$;
@{more}
