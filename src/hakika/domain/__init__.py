"""The rules, pure: facts and a time go in, decisions come out. Start with `payment.py`."""
