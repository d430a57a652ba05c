"""What SNMP carries, as we have it: names are tuples of numbers, values what they are."""

Oid = tuple[int, ...]
Value = int | bytes | Oid
