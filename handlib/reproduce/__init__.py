"""Reproduction: notebooks executed by papermill, recipes that resume, stored results, and the ledger made of them."""
