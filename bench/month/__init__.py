"""A simulated month of a shop, with everything that goes wrong in one: does each day close green?

Start with `plan.py` (what happens when), then `life.py` (it happens) and `verdict.py` (what came of
it). Everything is real: a simulator and Hakika's API as processes of their own, PostgreSQL, HTTP.
Only the clocks are ahead, the simulator's and Hakika's by as much: `ahead.py`.
"""
