"""Files for people: statements in, exports out. Start at `statements.py`, `exports.py`."""
