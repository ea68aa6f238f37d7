"""`python -m fluorospread` is the command `fluorospread`."""

from fluorospread.cli import main

main()
