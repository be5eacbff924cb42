from mlp import make_network


def test_network():
    assert make_network(3)
