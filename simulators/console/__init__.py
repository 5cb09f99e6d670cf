"""The reference JAITF console: it speaks MQTT as the contract says, and knows nothing of the appliance's code."""
