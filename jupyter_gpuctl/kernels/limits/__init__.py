"""What holds a kernel, with all that it starts, to its memory, processes and cores."""
