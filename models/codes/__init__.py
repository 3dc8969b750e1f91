"""The tables of codes and of their generations, and the queries on them."""
