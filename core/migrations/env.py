"""What Alembic runs: the migrations, on the connection and in the transaction it is given.

There is no alembic.ini: `core.migrations.runner` drives Alembic.
"""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transaction_per_migration=False)
context.run_migrations()
