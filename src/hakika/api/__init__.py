"""The JSON door: authenticates, parses, hands a command to a service. Start with `app.py`."""
