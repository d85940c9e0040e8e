"""Bring samples in and take features out: video, images, arrays, torch, Hugging Face, river. Import the module you need."""
