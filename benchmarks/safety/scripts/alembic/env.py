"""How Alembic connects: to the database of the environment, one transaction for all revisions or one for each."""

from __future__ import annotations

import os

import psycopg
import sqlalchemy
from alembic import context

engine = sqlalchemy.create_engine(
    "postgresql+psycopg://", creator=lambda: psycopg.connect(os.environ["DATABASE"]), poolclass=sqlalchemy.NullPool
)
with engine.connect() as connection:
    apart = context.config.config_ini_section == "shadow"
    context.configure(connection=connection, transaction_per_migration=apart)
    with context.begin_transaction():
        context.run_migrations()
