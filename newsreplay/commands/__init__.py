"""The commands of `newsreplay`: parse, call one function, print. `newsreplay.cli` imports each when it is called."""
