"""What a stored thing says: one kind a file."""
