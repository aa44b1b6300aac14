"""`python -m mprism`."""

from mprism.cli import main

main()
