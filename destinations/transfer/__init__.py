"""What types of destinations share: names of files, blocks, limits, retries, and the watch over what may block."""
