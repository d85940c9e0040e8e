import pytest
from small import small_net


@pytest.fixture
def net(frames):
    net = small_net()
    for frame in frames[:20]:
        net.learn_one(frame)
    return net
