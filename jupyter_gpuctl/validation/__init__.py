"""The validator: whether every notebook runs, in the time and memory that learners get."""
