"""Load on a service over loopback, and the service that ours replaces; for `server.py`."""
