"""Memories: JSON files of an older generation, one for each person, that become rows of a table of conversations.

`rows` and `moments` read the content, `files` is the folder, `target` the table and its people, `loading` the
transaction of one file, and `importing` puts them together.
"""
