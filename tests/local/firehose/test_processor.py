"""The transform's contract, as seen from the two ends: boto3's puts, and the objects in S3."""

from tests.local.firehose.stand import asks, ok


def test_ok_records_reach_their_partitions_in_order(deploy, run):
    running = run(deploy())
    running.put(asks(ok("a1\n", site="a")), asks(ok("b1\n", site="b")), asks(ok("a2\n", site="a")))
    running.settle()
    assert running.stream.data() == {"data/site=a/": "a1\na2\n", "data/site=b/": "b1\n"}
    assert running.stream.errors() == []
