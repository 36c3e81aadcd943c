"""What happened in a visit, and what would have happened under each option."""

from dataclasses import dataclass

from cpz.data.arrays import Ints, Mask


@dataclass(frozen=True, slots=True)
class VisitOutcome:
    """The outcome of n visits under the logged decisions.

    Attributes:
        passed_review, passed_address, reached_payment, passed_confirm: (n,) how far it went.
        form_mistakes: (n,) how often the address form was sent with a mistake, 0 to 2.
        shipping: (n,) chosen shipping option, -1 for none.
        first_method: (n,) first chosen payment method, -1 for none.
        declined_first: (n,).
        retry_method: (n,) method tried after a decline, -1 for none.
        declined_retry: (n,).
        method: (n,) method that paid, -1 for none.
        converted: (n,).
    """

    passed_review: Mask
    passed_address: Mask
    reached_payment: Mask
    passed_confirm: Mask
    form_mistakes: Ints
    shipping: Ints
    first_method: Ints
    declined_first: Mask
    retry_method: Ints
    declined_retry: Mask
    method: Ints
    converted: Mask


@dataclass(frozen=True, slots=True)
class Potentials:
    """Whether n visits convert under each option of a placement, (n, K) each.

    All noise and the options of the other placements are as they were.
    """

    payment: Mask
    shipping: Mask
    offer: Mask

    def of(self, placement: str) -> Mask:
        """Return the placement's table."""
        return {"payment": self.payment, "shipping": self.shipping, "offer": self.offer}[placement]
