"""`python -m ecluse`."""

from ecluse.cli.main import main

main()
