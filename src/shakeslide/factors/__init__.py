"""The factors: what may control where slopes fail, as lazy block operations."""
