"""The verdict on one submission: checks, own tests, planted bugs."""
