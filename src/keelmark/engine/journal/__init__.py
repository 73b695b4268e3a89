"""The durable record of every command and event, in atomic batches behind one port."""
