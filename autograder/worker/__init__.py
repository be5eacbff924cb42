"""The student's process, and the pipe by which the judge talks to it."""
