"""Events of the engine as the API tells them: names, decimals, instants, topics."""
