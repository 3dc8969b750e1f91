"""A script fetches messages: at every instant a message is in its queue or among the unacknowledged messages."""

import json

import pytest
from kombu import Connection
from redis import Redis

from tests.broker.consumers import RecordingConsumer, command_counts, consuming, send
from worker.broker.fetch_script import SET_ASIDE_KEY, SET_ASIDE_MAX
from worker.broker.redis_transport import consuming_url

BODY = {"amount": 1e2, "nothing": [], "empty": {}, "name": "Ünï\x00 \ud83d", "deep": [[[{"a": 1.10}]]], "big": 2**60}


def are_unacknowledged(consumer: RecordingConsumer, redis: Redis) -> bool:
    """Return whether the server's unacknowledged messages are exactly the consumer's messages."""
    return set(redis.hkeys("unacked")) == {message.delivery_tag for message in consumer.messages}


def test_a_fetched_message_is_stored_with_its_own_text_as_kombu_stores_it(url: str, redis: Redis) -> None:
    """Encoding the text again would change numbers and empty lists."""
    send(url, "q", BODY)
    text = str(redis.lindex("q", 0))
    with consuming(url, "q", acknowledges=False) as ours:
        assert ours.receive_count(1) == [BODY]
        (tag,) = redis.hkeys("unacked")
        assert redis.hget("unacked", tag) == f'[{text}, "", "q"]'
        noted, score = json.loads(str(redis.hget("unacked", tag))), redis.zscore("unacked_index", tag)
    send(url, "q", BODY)
    redis.ltrim("q", 0, 0)
    with consuming(url, "q", acknowledges=False, stock=True) as stock:
        assert stock.receive_count(1) == [BODY]
        (tag,) = redis.hkeys("unacked")
        by_kombu = json.loads(str(redis.hget("unacked", tag)))
        assert redis.zscore("unacked_index", tag) == pytest.approx(score, abs=3_600)
    for each in (noted, by_kombu):
        del each[0]["properties"]["delivery_tag"]
    assert noted == by_kombu


def test_no_more_messages_are_fetched_than_the_prefetch_count_allows(url: str, redis: Redis) -> None:
    """The prefetch count leaves the other messages to other workers."""
    send(url, "q", *range(20))
    with consuming(url, "q", prefetch_count=7, acknowledges=False) as ours:
        ours.receive_count(7)
        ours.drain_once()
        assert len(ours.messages) == 7
        assert are_unacknowledged(ours, redis)
        assert redis.llen("q") == 13
        ours.messages[3].ack()
        ours.receive_count(8)
        assert redis.llen("q") == 12
    assert redis.llen("q") == 19


def test_large_messages_are_limited_by_their_size(url: str, redis: Redis) -> None:
    """With a prefetch count for small messages, one worker would hold all of the large messages."""
    send(url, "q", *("x" * 3_000 for _ in range(9)))
    with consuming(url, "q", prefetch_count=1_000, acknowledges=False, prefetch_bytes=10_000) as ours:
        ours.receive_count(3)
        for _ in range(9):
            ours.drain_once()
        assert redis.llen("q") == 9 - len(ours.messages)
        assert len(ours.messages) <= 4
        for message in ours.messages:
            message.ack()
        ours.receive_count(6)
    assert redis.hlen("unacked") == 0


def test_a_message_larger_than_the_limit_is_fetched_all_the_same(url: str) -> None:
    """Otherwise the message would wait for ever."""
    send(url, "q", "x" * 3_000, "next")
    with consuming(url, "q", prefetch_bytes=1_000) as ours:
        assert ours.receive_count(2)[1] == "next"


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["round_robin", "priority", "sorted"])
def test_queues_and_priorities_come_in_the_order_of_kombu(url: str, strategy: str) -> None:
    """The same messages are consumed on kombu's own transport for comparison."""
    orders = []
    for stock in (False, True):
        for number in range(60):
            send(url, "bca"[number % 3], number, priority=number % 4 * 3)
        with consuming(url, "b", "c", "a", stock=stock, queue_order_strategy=strategy) as consumer:
            orders.append(consumer.receive_count(60))
    assert orders[0] == orders[1]


def test_a_text_that_is_not_a_message_is_set_aside_and_stops_no_worker(url: str, redis: Redis) -> None:
    """The text is kept for the operator, since dropping texts could be a mistake."""
    send(url, "q", "first")
    strange = ["{", "null", "[]", '{"properties": {}}', '{"properties": {"delivery_tag": 7, "delivery_info": {}}}', ""]
    redis.lpush("q", *strange)
    send(url, "q", "last")
    with consuming(url, "q") as ours:
        assert ours.receive_count(2) == ["first", "last"]
        ours.drain_once()
    assert redis.llen("q") == redis.hlen("unacked") == redis.zcard("unacked_index") == 0
    assert sorted(redis.lrange(SET_ASIDE_KEY, 0, -1)) == sorted(strange)


def test_the_newest_texts_are_kept_aside(url: str, redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody can fill the server with what nobody will ever run, neither by the server's parser nor by Python's."""
    redis.lpush(SET_ASIDE_KEY, *(f"old {number}" for number in range(SET_ASIDE_MAX)))
    redis.lpush("q", *(f"new {number}" for number in range(3)))
    send(url, "q", "message")
    with consuming(url, "q") as ours:
        assert ours.receive_count(1) == ["message"]
        kept = redis.lrange(SET_ASIDE_KEY, 0, -1)
        assert (len(kept), kept[:4]) == (SET_ASIDE_MAX, ["new 2", "new 1", "new 0", f"old {SET_ASIDE_MAX - 1}"])
        assert "dropped the 3 oldest texts of unreadable, which keeps 1000" in caplog.text
        send(url, "q", "message")
        text = str(redis.lpop("q")).replace('"priority": 0', '"priority": 0x10')
        redis.lpush("q", text)
        ours.drain_until(lambda: redis.lindex(SET_ASIDE_KEY, 0) != "new 2")
        assert (redis.llen(SET_ASIDE_KEY), redis.lindex(SET_ASIDE_KEY, 1)) == (SET_ASIDE_MAX, "new 2")
    assert "dropped the 1 oldest texts of unreadable" in caplog.text


def test_an_empty_text_that_stands_alone_is_set_aside_too(url: str, redis: Redis) -> None:
    """Left in the queue, the text would be fetched again on every iteration of the loop."""
    redis.lpush("q", "")
    with consuming(url, "q") as ours:
        ours.drain_until(lambda: redis.llen(SET_ASIDE_KEY))
        ours.drain_once()
    assert (redis.llen("q"), redis.lrange(SET_ASIDE_KEY, 0, -1)) == (0, [""])


def test_half_of_a_surrogate_pair_in_the_headers_stops_no_worker(url: str, redis: Redis) -> None:
    """Celery copies arguments to the headers. Python sends and reads such texts; the server's parser rejects them."""
    headers = {"kwargsrepr": '\ud800\\ud800\\\\udfff\udfff"', "other": "\U0001f600"}
    send(url, "q", "body", headers=headers)
    with consuming(url, "q", acknowledges=False) as ours:
        assert ours.receive_count(1) == ["body"]
        assert headers.items() <= ours.messages[0].headers.items()
        assert are_unacknowledged(ours, redis)
    with consuming(url, "q", stock=True) as stock:
        assert stock.receive_count(1) == ["body"]


def test_a_text_that_only_the_server_can_read_is_set_aside_too(url: str, redis: Redis) -> None:
    """The server's parser reads 0x10 as a number. Left unacknowledged, the text would stop redelivery."""
    send(url, "q", "first")
    text = str(redis.lindex("q", 0)).replace('"priority": 0', '"priority": 0x10')
    redis.lpush("q", text.replace('"delivery_tag": "', '"delivery_tag": "another-'))
    with consuming(url, "q") as ours:
        assert ours.receive_count(1) == ["first"]
        ours.drain_until(lambda: redis.llen(SET_ASIDE_KEY))
        ours.drain_once()
    assert redis.hlen("unacked") == redis.zcard("unacked_index") == 0


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ('=="', '"'),
        ('"body_encoding": "base64"', '"body_encoding": "rot13"'),
        ('"headers": {}', '"headers": []'),
        ('"headers": {}', '"headers": "none"'),
    ],
)
def test_an_envelope_that_would_stop_kombu_is_set_aside(url: str, redis: Redis, said: str, instead: str) -> None:
    """Redelivered, the message would stop every worker in turn."""
    send(url, "q", "first")
    text = str(redis.lindex("q", 0))
    assert said in text
    redis.lpush("q", text.replace(said, instead).replace('"delivery_tag": "', '"delivery_tag": "another-'))
    with consuming(url, "q") as ours:
        assert ours.receive_count(1) == ["first"]
        ours.drain_until(lambda: redis.llen(SET_ASIDE_KEY))
        ours.drain_once()
    assert redis.hlen("unacked") == redis.zcard("unacked_index") == 0


def test_a_script_that_fails_removes_nothing_and_the_worker_goes_on(
    url: str, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """Here the key of the unacknowledged messages has a value of another type."""
    send(url, "q", "kept")
    redis.set("unacked", "not a hash")
    with consuming(url, "q") as ours:
        ours.drain_until(lambda: "WRONGTYPE" in caplog.text)
        assert redis.llen("q") == 1
        redis.delete("unacked")
        assert ours.receive_count(1) == ["kept"]


def test_a_full_server_can_be_emptied(url: str, redis: Redis) -> None:
    """A server whose memory is full refuses to grow. If workers could not fetch, they could never free memory."""
    send(url, "q", *range(50))
    redis.config_set("maxmemory", 1)
    try:
        with consuming(url, "q") as ours:
            assert ours.receive_count(50) == list(range(50))
    finally:
        redis.config_set("maxmemory", 0)


def test_a_server_that_has_forgotten_the_script_gets_it_again(url: str, redis: Redis) -> None:
    """The server's scripts were flushed."""
    with consuming(url, "q") as ours:
        send(url, "q", "first")
        ours.receive_count(1)
        redis.script_flush()
        send(url, "q", "second")
        assert ours.receive_count(2) == ["first", "second"]


def test_all_keys_have_the_global_prefix(url: str, redis: Redis) -> None:
    """As on kombu's own transport."""
    send(url, "q", *range(5), global_keyprefix="p:")
    with consuming(url, "q", prefetch_count=3, acknowledges=False, global_keyprefix="p:") as ours:
        ours.receive_count(3)
        assert redis.hlen("p:unacked") == redis.zcard("p:unacked_index") == 3
        ours.messages[0].ack()
        ours.receive_count(4)
        assert redis.hlen("p:unacked") == 3
    assert redis.llen("p:q") == 4
    assert not [key for key in redis.scan_iter() if not key.startswith("p:")]


def test_one_message_can_be_fetched_without_waiting(url: str, redis: Redis) -> None:
    """`basic_get` fetches by the script too."""
    send(url, "q", 1, 2)
    with Connection(consuming_url(url)) as connection:
        first = connection.default_channel.basic_get("q")
        assert redis.hkeys("unacked") == [first.delivery_tag]
        first.ack()
        assert redis.hlen("unacked") == 0
        assert connection.default_channel.basic_get("q", no_ack=True).payload == 2
        assert redis.hlen("unacked") == 0
        assert connection.default_channel.basic_get("q") is None


def test_a_consumer_without_acknowledgements_leaves_nothing_unacknowledged(url: str, redis: Redis) -> None:
    """The channel acknowledges for a consumer with `no_ack`."""
    send(url, "q", *range(5))
    with consuming(url, "q", no_ack=True, acknowledges=False) as ours:
        ours.receive_count(5)
        ours.drain_until(lambda: not redis.hlen("unacked"))


def test_without_ack_emulation_kombu_fetches_its_own_way(url: str, redis: Redis) -> None:
    """`ack_emulation=False` switches our script off too."""
    send(url, "q", *range(5))
    with consuming(url, "q", no_ack=True, ack_emulation=False) as ours:
        assert ours.receive_count(5) == list(range(5))
    assert "evalsha" not in command_counts(redis)


def test_workers_of_both_kinds_share_a_queue(url: str, redis: Redis) -> None:
    """Each gets some of the messages, none is left, and none is delivered twice."""
    send(url, "q", *range(40))
    with (
        consuming(url, "q", prefetch_count=4, acknowledges=False) as ours,
        consuming(url, "q", prefetch_count=4, acknowledges=False, stock=True) as stock,
    ):
        while len(ours.messages) + len(stock.messages) < 40:
            for consumer in (ours, stock):
                consumer.drain_once(0.01)
                for message in consumer.messages:
                    if not message.acknowledged:
                        message.ack()
        assert sorted(ours.bodies + stock.bodies) == list(range(40))
        assert min(len(ours.messages), len(stock.messages)) > 0
    assert redis.keys("unacked*") == []
