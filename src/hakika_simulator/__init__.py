"""A Daraja that runs on your machine: same wire, no money, and a private truth to check against.

Read `app.py` first (every route), then `stk.py` (what a push does), `prompts.py` (how it ends),
`callbacks.py` (how the merchant hears of it) and `numbers.py` (which payer does what). Money
that comes unasked is in `arrivals.py`, what moves on short codes' accounts in `ledger.py`, and
what a business can ask of it in `status.py`, `account_balance.py`, `pull.py` and `statements.py`.
Money that goes out is ordered in `b2c.py`, `b2b.py` and `reversals.py`, taken in `commands.py` and
carried out in `executions.py`; what may go wrong with it is in `faults.py` and `payees.py`.
It shares no code with `hakika`: the two meet over HTTP alone.
"""
