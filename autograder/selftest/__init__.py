"""Tries on this machine what a hostile submission would try, and says what holds."""
