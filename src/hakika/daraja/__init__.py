"""Safaricom and nothing else: the only place that speaks Daraja. Start with `client.py`."""
