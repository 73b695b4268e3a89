"""The HTTP API: reads shared columns, sends commands to the writer, streams what happens."""
