"""Binance spot and USD-M futures. Pure: no Trio, no httpx, no clock."""
