"""The door that nobody knocks on: deliveries and periodic rounds. Start with `app.py`."""
