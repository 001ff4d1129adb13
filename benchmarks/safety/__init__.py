"""The safety matrix: what becomes of a database with a hazard in the hands of each tool, judged by itself alone."""
