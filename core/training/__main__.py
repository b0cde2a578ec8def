"""`python -m core.training …`: see `--help`."""
from core.training.cli import main

main()
