"""Figures for Prometheus, and a Grafana board that draws them."""
