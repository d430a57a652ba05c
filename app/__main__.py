"""`python -m app` is `turnpike`."""

from app.cli import main

main()
