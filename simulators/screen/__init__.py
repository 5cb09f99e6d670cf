"""A simulated operator's workstation: its screen, as a frame grabber or an RTSP stream shows it, and the truth."""
