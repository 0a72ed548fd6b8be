"""Hakika: the M-Pesa payments platform that a business runs itself."""

__version__ = "0.1.0"
