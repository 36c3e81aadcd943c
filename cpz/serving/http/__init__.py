"""The server over HTTP: connections, limits, callers, endpoints, the service behind them."""
