"""From the stack of factors to the rows that models learn from."""
