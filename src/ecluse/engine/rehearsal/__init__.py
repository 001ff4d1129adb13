"""A rehearsal: the whole life of a migration on copies of the databases, under load, measured."""
