"""How good a head is: judge, calibrate, report."""
