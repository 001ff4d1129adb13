"""Two servers, and what takes tables from one to the other: Écluse, what people do today, and the floor."""
