"""The quantile function of the standard normal distribution, on arrays of any length.

Wichura's algorithm AS 241 (PPND16; Applied Statistics 37 (1988) 477-484): rational approximations
in three regions, relative error about 1e-16. It stands here and is not taken from SciPy because
every draw of the simulator's normals goes through it: a fifth faster on long arrays, and a process
that simulates need not import SciPy, which takes 0.2 s of processor time.
"""

import numpy as np

from cpz.data.arrays import Floats

#: Rows worked out at once: what they need stays in the processor's cache.
_BLOCK = 16_384
#: |u - 1/2| up to 0.425 is the central region, and sqrt(-log(min(u, 1 - u))) up to 5 the near tail.
_CENTRE, _NEAR = 0.425, 5.0
#: Numerator and denominator of each region, the highest power first.
_CENTRAL = (
    (
        2.5090809287301226727e3,
        3.3430575583588128105e4,
        6.7265770927008700853e4,
        4.5921953931549871457e4,
        1.3731693765509461125e4,
        1.9715909503065514427e3,
        1.3314166789178437745e2,
        3.3871328727963666080e0,
    ),
    (
        5.2264952788528545610e3,
        2.8729085735721942674e4,
        3.9307895800092710610e4,
        2.1213794301586595867e4,
        5.3941960214247511077e3,
        6.8718700749205790830e2,
        4.2313330701600911252e1,
        1.0,
    ),
)
_NEAR_TAIL = (
    (
        7.74545014278341407640e-4,
        2.27238449892691845833e-2,
        2.41780725177450611770e-1,
        1.27045825245236838258e0,
        3.64784832476320460504e0,
        5.76949722146069140550e0,
        4.63033784615654529590e0,
        1.42343711074968357734e0,
    ),
    (
        1.05075007164441684324e-9,
        5.47593808499534494600e-4,
        1.51986665636164571966e-2,
        1.48103976427480074590e-1,
        6.89767334985100004550e-1,
        1.67638483018380384940e0,
        2.05319162663775882187e0,
        1.0,
    ),
)
_FAR_TAIL = (
    (
        2.01033439929228813265e-7,
        2.71155556874348757815e-5,
        1.24266094738807843860e-3,
        2.65321895265761230930e-2,
        2.96560571828504891230e-1,
        1.78482653991729133580e0,
        5.46378491116411436990e0,
        6.65790464350110377720e0,
    ),
    (
        2.04426310338993978564e-15,
        1.42151175831644588870e-7,
        1.84631831751005468180e-5,
        7.86869131145613259100e-4,
        1.48753612908506148525e-2,
        1.36929880922735805310e-1,
        5.99832206555887937690e-1,
        1.0,
    ),
)


def normal_quantile(u: Floats) -> Floats:
    """Return z with P(Z <= z) = u for a standard normal Z, of u's shape.

    Args:
        u: probabilities in the open interval (0, 1).

    >>> normal_quantile(np.array([0.025, 0.5, 0.975])).round(6)
    array([-1.959964,  0.      ,  1.959964])
    """
    flat = np.ravel(u)
    result = np.empty_like(flat)
    for start in range(0, len(flat), _BLOCK):
        rows = slice(start, start + _BLOCK)
        result[rows] = _quantile(flat[rows])
    return result.reshape(np.shape(u))


def _quantile(u: Floats) -> Floats:
    q = u - 0.5
    r = _CENTRE**2 - q * q
    z = q * _ratio(_CENTRAL, r)
    tail = np.flatnonzero(r < 0.0)
    if len(tail):
        p = u.take(tail)
        z[tail] = np.copysign(_tail(np.minimum(p, 1.0 - p)), q.take(tail))
    return z


def _tail(p: Floats) -> Floats:
    """Return how far from 0 the quantile of p < 0.075 lies."""
    s = np.sqrt(-np.log(p))
    found = _ratio(_NEAR_TAIL, s - 1.6)
    far = np.flatnonzero(s > _NEAR)
    if len(far):
        found[far] = _ratio(_FAR_TAIL, s.take(far) - _NEAR)
    return found


def _ratio(polynomials: tuple[tuple[float, ...], tuple[float, ...]], x: Floats) -> Floats:
    """Return the quotient of two polynomials by Horner's rule, in place."""
    above, below = (_polynomial(coefficients, x) for coefficients in polynomials)
    above /= below
    return above


def _polynomial(coefficients: tuple[float, ...], x: Floats) -> Floats:
    result = coefficients[0] * x
    result += coefficients[1]
    for coefficient in coefficients[2:]:
        result *= x
        result += coefficient
    return result
