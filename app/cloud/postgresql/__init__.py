"""PostgreSQL for a site whose database is replaced while it serves (push-db, undo-db)."""
