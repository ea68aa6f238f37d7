"""fluorospread in napari: opens X-ray images and cases, and lets readers review them."""
