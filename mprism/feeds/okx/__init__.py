"""OKX spot and derivatives, API v5. Pure: no Trio, no httpx, no clock."""
