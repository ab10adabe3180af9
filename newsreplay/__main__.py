"""`python -m newsreplay`."""

from newsreplay.cli import main

main(prog_name="newsreplay")
