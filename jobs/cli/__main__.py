"""``python -m jobs.cli``: the command line without its script."""

from jobs.cli.main import main

main()
