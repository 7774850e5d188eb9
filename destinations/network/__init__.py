"""Reaching a server: names, sockets, certificates, endpoints, and what their errors mean."""
