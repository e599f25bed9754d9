"""`python -m registry.commands`."""

from registry.commands import main

main()
