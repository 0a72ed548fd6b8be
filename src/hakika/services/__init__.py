"""The order of steps: the only floor that opens transactions. Start with `payments.py`."""
