"""Ways an alert reaches somebody."""
