"""The exchanges: pure protocols per exchange, and the Trio shells that drive them."""
