"""Backups that are known to restore: taken at one snapshot, proved by a restore, listed, pruned, brought back."""
