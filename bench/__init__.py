"""Measurements against other RADIUS servers: `python -m bench.run`.  No part of the product."""
