"""What a finished run holds: its ledger and the evaluation of its models."""
