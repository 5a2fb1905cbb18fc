"""Assembly: settings in, running parts out."""
