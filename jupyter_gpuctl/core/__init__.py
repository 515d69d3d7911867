"""Words that every wing shares: time, quantities, errors, encoding. No I/O but the clock."""
