"""The market as it is: prices, its index, names of items, the catalogue of them all."""
