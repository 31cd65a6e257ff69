"""Studies: many recipes under one budget.

Public: `config.load_study`, `run.run_study`, `report`, `plots`.
"""
