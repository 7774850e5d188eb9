"""What programs ask this site for, without signing in: /health and /metrics."""
