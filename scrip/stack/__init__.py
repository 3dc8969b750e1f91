"""The embedded stack for development: Postgres, Valkey and the programs of the Procfile, on this machine."""
