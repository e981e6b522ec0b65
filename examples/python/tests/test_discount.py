from shop.cart import total


def test_a_discount_is_taken_off():
    assert total([(1000, 1)], discount=25) == 750
