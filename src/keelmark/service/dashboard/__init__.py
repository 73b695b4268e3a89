"""The page people watch a venue or an account with: static files, served by the API as they are."""
