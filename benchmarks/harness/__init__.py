"""What every benchmark script shares: measuring a process, writing its JSON, and the page made from all of them."""
