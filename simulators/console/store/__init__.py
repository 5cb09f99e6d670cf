"""What the console keeps: one SQLite file, written by one thread, read by the pages."""
