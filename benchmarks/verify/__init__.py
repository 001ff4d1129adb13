"""Two tables that should be equal, twelve faults in one of them, and what finds them: Écluse and its peers."""
