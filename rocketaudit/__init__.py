"""rocketaudit: compliance and drift audit of Bottlerocket and other immutable container hosts."""

__version__ = "0.1.0"
