"""The demonstration: a whole migration under two small applications."""
