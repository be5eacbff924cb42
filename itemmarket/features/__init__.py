"""What a forecaster is told about an item on a day."""
