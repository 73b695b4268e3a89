"""The desk's daemon: several accounts on several venues, looked at again and again."""
