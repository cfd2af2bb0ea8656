"""Several past earthquakes as one bundle of models for a new one."""
