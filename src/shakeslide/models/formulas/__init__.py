"""Models whose form is published: they take raw factors with their units and classes."""
