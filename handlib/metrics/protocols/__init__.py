"""The official protocols, one file a data set; import the functions from ``handlib.metrics``."""
