"""The running venue: a writer process, an API process, and what watches them."""
