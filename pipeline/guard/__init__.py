"""The evaluation firewall."""
