"""PostgreSQL and nothing else: the only place with SQL. Start with `transaction.py`."""
