"""What is stored: one kind a file, loaded with NumPy alone."""
