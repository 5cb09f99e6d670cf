"""A simulated radiation portal of the VM-250 family."""
