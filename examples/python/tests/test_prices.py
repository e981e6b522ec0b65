import os
from urllib.request import urlopen

from shop.cart import total


def test_prices_come_from_the_container_beside_this_one():
    with urlopen(os.environ["PRICES"]) as answer:
        price = int(answer.read())
    assert total([(price, 3)]) == 3 * price
