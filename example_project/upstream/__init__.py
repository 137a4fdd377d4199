"""The price service that both shops call, with a switch that breaks it."""
