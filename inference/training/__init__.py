"""Makes the packages that come with the appliance; no part of the appliance itself."""
