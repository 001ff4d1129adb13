"""Copies of databases for a rehearsal: read at one snapshot, made where they can be thrown away."""
