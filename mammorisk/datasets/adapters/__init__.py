"""One adapter a file, with its layout and card in the YAML file of the same name."""
