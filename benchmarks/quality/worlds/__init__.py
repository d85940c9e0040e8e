"""Video worlds with labels, and what features learned from them are worth."""
