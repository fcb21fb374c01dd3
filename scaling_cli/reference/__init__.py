"""`scaling check`: stored fits refitted and compared."""
