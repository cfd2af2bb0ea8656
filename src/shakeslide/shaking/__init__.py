"""An earthquake's ground motion with its uncertainty, and random fields of it."""
