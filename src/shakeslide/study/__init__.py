"""The study file: its form, its tables and their limits."""
