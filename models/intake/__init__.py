"""Messages: attempts at failed ones, dead letters, and the stored answers of writes without a row of their own."""
