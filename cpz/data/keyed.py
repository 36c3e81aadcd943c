"""Keyed randomness: every draw is a pure function of (seed, purpose, identity).

There is no generator and no state, so results cannot depend on the number of workers, the chunk
size or the order of evaluation; a new purpose moves no other draw; and two policies run on the
same identities share all their noise (common random numbers).

The hash applies Stafford's variant 13 of the 64-bit finalizer (the output function of splitmix64,
Steele, Lea and Flood, OOPSLA 2014) once per identity column, chained.
"""

from functools import lru_cache
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from cpz.data.arrays import Floats
from cpz.data.normal_quantile import normal_quantile

Hashes = npt.NDArray[np.uint64]
Identity = npt.NDArray[np.int64] | npt.NDArray[np.uint64] | int

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S12 = (np.uint64(shift) for shift in (30, 27, 31, 12))
_GOLDEN_INT, _M1_INT, _M2_INT = int(_GOLDEN), int(_M1), int(_M2)
_MASK = 2**64 - 1


def purpose_key(seed: int, purpose: str) -> int:
    """Return the 64-bit key of one purpose under one seed."""
    digest = blake2b(f"{seed}/{purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


@lru_cache(maxsize=256)
def _cached_key(seed: int, purpose: str) -> int:
    return purpose_key(seed, purpose)


def _mix(x: Hashes) -> Hashes:
    """Scramble in place: a bijection of the 64-bit integers in which each bit moves each bit."""
    shifted = np.right_shift(x, _S30)
    x ^= shifted
    x *= _M1
    x ^= np.right_shift(x, _S27, out=shifted)
    x *= _M2
    x ^= np.right_shift(x, _S31, out=shifted)
    return x


def hash_of(seed: int, purpose: str, *identity: Identity) -> Hashes:
    """Return one 64-bit hash per identity.

    Args:
        seed: the run's seed.
        purpose: what the draw is for, e.g. "payment_choice".
        identity: integer arrays that broadcast together, e.g. shopper, visit[:, None], option.

    Returns:
        uint64 of the broadcast shape (at least one-dimensional).
    """
    return continued(np.array([_cached_key(seed, purpose)], dtype=np.uint64), *identity)


def continued(state: Hashes, *identity: Identity) -> Hashes:
    """Return the hashes of longer identities from those of their beginnings.

    >>> bool(continued(hash_of(1, "choice", 7), 3) == hash_of(1, "choice", 7, 3))
    True
    """
    with np.errstate(over="ignore"):
        for part in identity:
            # 64-bit wrap-around is the arithmetic meant here, for negative ids too
            state = _mix(np.asarray(part).astype(np.uint64) * _GOLDEN + (state + _GOLDEN))
    return state


def uniform(seed: int, purpose: str, *identity: Identity) -> Floats:
    """Return uniforms in the open interval (0, 1): never 0, never 1, so a logarithm is finite.

    52 bits and a half step: (h + 1/2) / 2^52 is exact in float64; with 53 bits it would round to 1.
    """
    return uniform_from(hash_of(seed, purpose, *identity))


def uniform_one(seed: int, purpose: str, *identity: int) -> float:
    """Return the uniform that `uniform` draws for one identity, without arrays.

    Ten times faster for a single draw, as a server makes them; equal to the last bit.

    >>> bool(uniform_one(1, "action", 7, -3) == uniform(1, "action", 7, -3)[0])
    True
    """
    state = _cached_key(seed, purpose)
    for part in identity:
        state = (part * _GOLDEN_INT + state + _GOLDEN_INT) & _MASK
        state = ((state ^ (state >> 30)) * _M1_INT) & _MASK
        state = ((state ^ (state >> 27)) * _M2_INT) & _MASK
        state ^= state >> 31
    return ((state >> 12) + 0.5) * 2.0**-52


def uniform_from(hashes: Hashes) -> Floats:
    """Return the uniforms that `uniform` draws for identities with these hashes."""
    u = (hashes >> _S12).astype(np.float64)
    u += 0.5
    u *= 2.0**-52
    return u


def gumbel(seed: int, purpose: str, *identity: Identity) -> Floats:
    """Return standard Gumbel draws, -log(-log(u))."""
    return gumbel_from(hash_of(seed, purpose, *identity))


def gumbel_from(hashes: Hashes) -> Floats:
    """Return the draws that `gumbel` makes for identities with these hashes."""
    u = uniform_from(hashes)
    np.log(u, out=u)
    np.negative(u, out=u)
    np.log(u, out=u)
    return np.negative(u, out=u)


def exponential(seed: int, purpose: str, *identity: Identity) -> Floats:
    """Return standard exponential draws, -log(u), all above zero."""
    u = uniform(seed, purpose, *identity)
    np.log(u, out=u)
    return np.negative(u, out=u)


def normal(seed: int, purpose: str, *identity: Identity) -> Floats:
    """Return standard normal draws by inversion."""
    return normal_quantile(uniform(seed, purpose, *identity))


def fold_of(seed: int, purpose: str, identity: Identity, n_folds: int) -> npt.NDArray[np.int64]:
    """Assign identities to folds 0..n_folds-1; the same identity always lands in the same fold."""
    return (hash_of(seed, purpose, identity) % np.uint64(n_folds)).astype(np.int64)
