"""The command line: starts the others. Start with `main.py`."""
