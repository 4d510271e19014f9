"""Files that releases have left: exported programs and configurations, which later versions must read."""
