"""FTP servers, and the proxy that carries their data connections too."""
