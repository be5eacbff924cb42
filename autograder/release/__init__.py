"""What students get: derived files and their bundle, without what would give a solution away."""
