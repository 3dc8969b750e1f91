"""Access to the broker: fetch and acknowledge messages, wait for new messages, publish.

`transport` joins the parts for Redis and Valkey. `fetching_channel` fetches with `fetch_script`, and its subclass in
`waiting_channel` waits for new messages.
"""
