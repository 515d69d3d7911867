"""The lease reaches the kernel: launch, attach, guard, idle reclaim."""
