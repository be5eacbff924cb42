"""What shuts a worker in: the strongest means that this machine has."""
