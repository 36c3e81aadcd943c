"""What happened in a visit, and what would have happened under each option."""

from dataclasses import dataclass

from cpz.simulator.columns import Ints, Mask


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of n visits under the logged decisions, with all single-placement alternatives.

    Attributes:
        passed_review, passed_address, reached_payment, passed_confirm: (n,) how far it went.
        shipping: (n,) chosen shipping option, -1 for none.
        first_method: (n,) first chosen payment method, -1 for none.
        declined_first: (n,).
        retry_method: (n,) method tried after a decline, -1 for none.
        declined_retry: (n,).
        method: (n,) method that paid, -1 for none.
        converted: (n,).
        payment_potential, shipping_potential, offer_potential: (n, K) conversion had that option
            been shown, all noise and the other placements as they were.
    """

    passed_review: Mask
    passed_address: Mask
    reached_payment: Mask
    passed_confirm: Mask
    shipping: Ints
    first_method: Ints
    declined_first: Mask
    retry_method: Ints
    declined_retry: Mask
    method: Ints
    converted: Mask
    payment_potential: Mask
    shipping_potential: Mask
    offer_potential: Mask

    def potential(self, placement: str) -> Mask:
        """Return the placement's (n, K) potential outcomes."""
        tables = {
            "payment": self.payment_potential,
            "shipping": self.shipping_potential,
            "offer": self.offer_potential,
        }
        return tables[placement]
