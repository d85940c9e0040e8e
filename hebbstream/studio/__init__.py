"""The live page: watch a network learn from a camera, and teach it by holding a key. Started by ``hebbstream studio``."""
