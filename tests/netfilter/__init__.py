"""Packet filters made with the real tools in a network namespace of their own."""
