"""Tables, their public schemas, and how good synthetic rows of them are."""
