"""Proof that the verifiers can tell good from bad, made without anything of Sigillo's own."""
