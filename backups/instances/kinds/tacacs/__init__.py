"""The TACACS+ server."""
