"""Side by side: Écluse against what people do today, and against the floor of what the server can do."""
