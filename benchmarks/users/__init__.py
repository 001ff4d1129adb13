"""An application's own users become accounts of Supabase: Écluse against what people do, and against the floor."""
