"""Deribit futures and volatility indexes. Pure: no Trio, no httpx, no clock."""
