"""The local socket between the writer and everybody else: frames, messages, clients."""
