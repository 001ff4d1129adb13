"""What the old shape costs that is kept after a switch: the same statements on it, on the original, and on peers."""
