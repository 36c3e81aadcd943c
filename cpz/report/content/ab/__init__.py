"""What planned, rehearsed and analysed experiments say."""
