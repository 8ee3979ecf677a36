"""The daemon, replay and command line: everything that does I/O around the functional core."""
