"""The audit trail, read: is it whole, and what was behind a refusal (access.md section 4)."""
