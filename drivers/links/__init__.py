"""The bytes under drivers: serial ports and TCP connections, behind one interface where every wait has a deadline."""
