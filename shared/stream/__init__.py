"""Redis as the carrier of live events. Everything here may vanish at any moment; SQL is the truth."""
