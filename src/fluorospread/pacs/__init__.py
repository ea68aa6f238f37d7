"""Clients of an image archive (PACS): DICOMweb and DIMSE behind one interface."""
