"""What the kernel answers about packet filters: nf_tables by netlink, iptables' older tables by getsockopt."""
