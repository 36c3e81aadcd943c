"""What watched and judged canaries say."""
