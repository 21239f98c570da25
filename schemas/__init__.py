"""What every table, setting and error looks like; imports nothing but the standard library."""
