"""The verbs of the command line, a few lines each, one module per group of them."""
