"""The use cases. Admin, commands and tasks call these; so may other Django code, see docs/embedding.md."""
