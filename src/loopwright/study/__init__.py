"""Studies: many recipes under one budget."""
