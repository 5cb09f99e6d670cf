"""A simulated Modbus device: a counter, status bits and a few measured values."""
