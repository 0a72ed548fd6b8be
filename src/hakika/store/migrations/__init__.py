"""The schema's history: one file a step, plain SQL inside, run by Alembic. Start with `env.py`."""
