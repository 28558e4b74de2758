"""The verifiers: one module per tool, each with FORMATS and judge(question) -> Answer."""
