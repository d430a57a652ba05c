"""Measurements, against other RADIUS servers and of Turnpike alone.  No part of the product.

`python -m bench.run` compares, loaded by radload, which is C and quicker than any server: the
peaks are its.  `python -m bench.simulated` has simulated boxes at an installation, which are slower
than the server and know what they did: it tells whether the books are right under load.
"""
