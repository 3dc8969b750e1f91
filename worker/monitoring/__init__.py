"""What Flower needs to be true about Scrip: results, queue lengths, and tasks that are not pushed out."""
