"""A simulated collar: where its dog walks, apart from the NMEA sentences that say so."""
