"""The technician's first half hour: names the lane, finds the console and the devices, tests them, writes them down."""
