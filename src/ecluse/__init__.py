"""Écluse moves a live PostgreSQL application to a new data architecture, and can take it back."""

__version__ = "0.1.0"
