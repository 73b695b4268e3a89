"""What people ask of a running venue, answered as JSON: pure functions over a `Reader`."""
