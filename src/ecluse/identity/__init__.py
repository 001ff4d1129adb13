"""Who is who: ids of one person in several tables and databases, resolved by evidence and never by a guess."""
