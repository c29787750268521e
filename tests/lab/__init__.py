"""A virtual machine that boots our images with real dm-verity, and audits itself."""
