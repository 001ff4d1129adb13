"""Flows between servers: the old side of a move stands in another database, its origin, the new side in ours.

The journal is here. So a range and its record, or a batch of the drain and what it carried, are committed together
here; what the origin has to forget of it is committed there afterwards, and doing it again is harmless.
"""
