"""What people get: grades, feedback, the report, the gradebook, files for platforms."""
