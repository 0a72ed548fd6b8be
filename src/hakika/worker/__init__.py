"""The door that nobody knocks on: background jobs and periodic rounds. Start with `app.py`."""
