"""What stands under `result` in each command's JSON document: values only."""
