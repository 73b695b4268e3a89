"""`python -m keelmark`."""

from keelmark.cli import main

if __name__ == "__main__":
    main(prog_name="keelmark")
