"""`python -m shakeslide`: the command line where the installed command is not on the path."""

from shakeslide.cli.app import console_main

if __name__ == "__main__":
    console_main()
