"""Check every graph against an independent reference."""
