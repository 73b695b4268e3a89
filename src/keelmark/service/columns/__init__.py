"""The columns of a writer, in memory that other processes read without asking it."""
