"""Who uses devices in a way that leases don't allow, and what is done about it."""
