"""The process that writes snapshots: it follows the journal and proves what is published."""
