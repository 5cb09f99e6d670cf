"""Maps of known devices, one file each: data of the drivers that take profiles."""
