"""Packings of a disk: bytes to an index of where the disk's bytes lie."""
