"""What `ecluse supabase prepare` makes, as SQL: `script.py` says how these files are read."""
