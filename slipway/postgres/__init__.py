"""Know PostgreSQL's statements and programs."""
