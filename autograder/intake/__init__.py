"""What was handed in: out of a learning platform's ZIP or a folder, into one form."""
