with source as materialized (
    -- Each legacy row with its values in the new shape, computed once: they are asked for twice below.
    select l.*,
           @{uuid} as as_uuid,
           @{session} as as_session,
           @{person} as as_person,
           @{status} as as_status,
           nullif(@{question}, '') as asked,
           nullif(@{response}, '') as answered,
           coalesce(@{created}, @{updated}, 'epoch') as began,
           coalesce(@{updated}, @{created}, 'epoch') as ended
    from {{legacy}} l
    @{map_join}
),
crowd as (
    -- Few sessions have several rows; all others are a conversation of their own and skip what follows.
    select @{id} as id, as_session, @{session_key} as session_key, as_person, as_status, as_uuid,
           @{title} as title, @{language} as language, @{created_raw} as created_at,
           num_nonnulls(asked, answered) as said, count(*) over (partition by as_session) as sharing
    from source s
),
aged as (
    -- Two ids that are one UUID: the older row keeps it.
    select s.id, as_session, session_key, as_person, as_status, title, language, s.created_at, said,
           case row_number() over (partition by as_session, as_uuid order by s.created_at nulls first, @{aged_id})
               when 1 then as_uuid else @{other_uuid} end as as_uuid
    from crowd s
    where sharing > 1
),
placed as materialized (
    -- The same text of the session and the same person make one conversation; the oldest one has the session's UUID.
    select id, as_uuid,
           row_number() over talk as place,
           count(*) over whole as places,
           first_value(as_uuid) over talk as conversation,
           first_value(as_uuid) over talk = first_value(as_uuid) over unit as leads,
           sum(said) over talk - said as before,
           case when bool_or(as_status = 'active') over whole then 'active'
                when bool_or(as_status = 'archived') over whole then 'archived' else 'deleted' end as status,
           first_value(title) over talk as title,
           first_value(language) over talk as language@{elders}
    from aged
    window unit as (partition by as_session order by created_at nulls first, @{placed_id}),
           whole as (partition by as_session, session_key, as_person),
           talk as (partition by as_session, session_key, as_person order by created_at nulls first, @{placed_id})
),
rows as not materialized (
    select s.*,
           coalesce(p.as_uuid, s.as_uuid) as own_uuid,
           coalesce(p.conversation, s.as_uuid) as conversation,
           coalesce(p.place, 1) as place,
           coalesce(p.places, 1) as places,
           coalesce(p.leads, true) as leads,
           coalesce(p.before, 0) as before,
           coalesce(p.status, s.as_status) as as_state,
           case when p.place > 1 then p.title else @{title} end as as_title,
           case when p.place > 1 then p.language else @{language} end as as_language,
           @{liked} as as_feedback,
           @{comment} as as_comment@{elders_of}@{ratings}
    from source s
    -- Every row of the right side has one on the left: this says left join, but can never become a loop in a loop,
    -- however wrong the server's idea is of how few rows there are.
    full join placed p on p.id = @{id}
    @{rating_join}
)
