"""Reviews, kept: an append-only log of signed events in SQLite, or PostgreSQL for several workstations."""
