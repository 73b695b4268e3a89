"""Commands as HTTP has them, in names and decimals, and as the engine has them."""
