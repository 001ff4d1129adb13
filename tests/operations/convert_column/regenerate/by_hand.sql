CREATE FUNCTION pg_temp.made(value text) RETURNS uuid IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE hash text := encode(sha256(convert_to('chat:' || value, 'UTF8')), 'hex');
BEGIN
    RETURN value::uuid;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN left(hash, 12) || '8' || substr(hash, 14, 3) || '8' || substr(hash, 18, 15);
END$$;
ALTER TABLE calls DROP CONSTRAINT calls_session_id_fkey;
ALTER TABLE sessions ALTER id TYPE uuid USING pg_temp.made(id);
ALTER TABLE calls ALTER session_id TYPE uuid USING pg_temp.made(session_id);
ALTER TABLE audit ALTER session TYPE uuid USING pg_temp.made(session);
ALTER TABLE calls ADD FOREIGN KEY (session_id) REFERENCES sessions (id) ON UPDATE CASCADE ON DELETE SET NULL;
