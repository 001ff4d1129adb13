-- Types, keys and rows: no conversation without a key, no tag without its conversation.
BEGIN;
DO $$
BEGIN
    ASSERT (SELECT array_agg(format_type(atttypid, atttypmod)) = ARRAY['uuid', 'uuid'] FROM pg_attribute
            WHERE (attrelid, attname) IN (('conversations'::regclass, 'id'), ('tags'::regclass, 'conversation_id'))),
        'the columns are not uuid';
    ASSERT EXISTS (SELECT 1 FROM pg_constraint WHERE contype = 'f' AND convalidated
                   AND conrelid = 'tags'::regclass AND confrelid = 'conversations'::regclass),
        'tags has no foreign key to conversations';
    ASSERT NOT EXISTS (SELECT 1 FROM tags t LEFT JOIN conversations c ON c.id = t.conversation_id WHERE c.id IS NULL),
        'there are tags of no conversation';
END
$$;
ROLLBACK;
