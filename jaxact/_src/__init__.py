"""Private: the record, the elementary layer, the engine and the selection."""
