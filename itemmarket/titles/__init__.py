"""Listings' titles, and what reads an item's rarity out of them."""
