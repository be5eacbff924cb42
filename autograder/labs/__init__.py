"""What a lab is: its folder read and checked, its notebook, its planted bugs, its secret."""
