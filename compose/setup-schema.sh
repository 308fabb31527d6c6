#!/bin/sh
# Makes and updates the two databases of a Temporal server. May run again: each step changes only what is missing.
# Needs SQL_PLUGIN, SQL_HOST, SQL_PORT, SQL_USER, SQL_PASSWORD, DBNAME, VISIBILITY_DBNAME.
set -eu

setup() {
  # Fails when the database is there already. Any other failure shows at the next step, which needs it.
  temporal-sql-tool --db "$1" create || echo "database $1 was not created: taken to be there"
  temporal-sql-tool --db "$1" setup-schema --version 0.0
  temporal-sql-tool --db "$1" update-schema --schema-name "postgresql/v12/$2"
}

setup "$DBNAME" temporal
setup "$VISIBILITY_DBNAME" visibility
