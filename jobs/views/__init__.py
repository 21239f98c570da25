"""What people read: stories, differences, the report."""
