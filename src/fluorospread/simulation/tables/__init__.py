"""Spectra and mass attenuation coefficients as text tables, and the script that made them."""
