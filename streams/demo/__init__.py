"""The quickstart and the simulated shop."""
