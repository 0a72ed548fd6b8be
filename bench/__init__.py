"""Measures how fast Hakika is, beside a floor program that does the least that could be done.

Start with `__main__.py`; `stand.py` says what runs, `rounds.py` what is measured, `floor.py` is the
floor. Everything is a process of its own on loopback: PostgreSQL, Daraja, receiver, load, and the
one that is measured.
"""
