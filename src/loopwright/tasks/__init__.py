"""What a user does besides making loops: one task a file."""
