"""The package on a real init: a bare Debian 12, systemd as process 1, nothing of this machine but the package."""
