"""The labs here are material for the engine's tests: their own tests and checks are run by the engine only."""

collect_ignore_glob = ["*"]
