"""The functions and classes of `import shakeslide`: thin wrappers over the other rooms."""
