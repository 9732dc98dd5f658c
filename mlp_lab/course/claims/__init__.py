"""Claims of the course that need no training, each checked against its closed form."""
