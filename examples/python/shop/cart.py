"""What a cart costs."""


def total(items, discount=0):
    """The price of all items in cents, less a discount in percent."""
    if not 0 <= discount <= 100:
        raise ValueError(f"a discount of {discount} percent")
    return sum(price * count for price, count in items) * (100 - discount) // 100
