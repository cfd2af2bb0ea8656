"""The command line: its commands, the template of a study file, the built-in demonstration."""
