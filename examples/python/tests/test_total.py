import pytest

from shop.cart import total


def test_items_are_added():
    assert total([(250, 2), (100, 1)]) == 600


@pytest.mark.parametrize("discount", [-1, 101])
def test_impossible_discounts_are_refused(discount):
    with pytest.raises(ValueError):
        total([], discount)
