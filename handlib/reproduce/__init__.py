"""Run the papers' experiments, store what was measured, and hold it against what the papers print."""
