"""A class: who is judged where and when, what is kept, and how far it is."""
