-- Empty: an application adds the tables whose changes it wants to hear.
--: publication supabase_realtime
CREATE PUBLICATION supabase_realtime;
