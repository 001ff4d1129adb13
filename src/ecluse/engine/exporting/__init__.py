"""Export: a plan as a script that another tool runs, without an engine beside it."""
