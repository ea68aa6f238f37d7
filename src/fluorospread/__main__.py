"""`python -m fluorospread` is the command `fluorospread`."""

from fluorospread.cli import main

# Worker processes import this module again; only the first one is the command.
if __name__ == "__main__":
    main()
