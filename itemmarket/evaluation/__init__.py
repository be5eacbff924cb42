"""How good forecasts are, in figures and in pictures."""
