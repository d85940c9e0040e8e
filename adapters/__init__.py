"""Bring samples in and take features out: video, river. Import the module you need."""
