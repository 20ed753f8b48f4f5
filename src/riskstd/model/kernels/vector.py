"""Eight numbers in one register: a numba type, so that kernels of eight resamples read like scalar code.

Numba vectorises loops only where it can prove that they may be; here the eight lanes are
independent by construction. An array of shape (n, 8) holds n such vectors. Every operation
acts lane by lane, so the bits of a lane never depend on its neighbours.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from riskstd.model.lane_arrays import LANES, LINE_BYTES

_DOUBLE, _LONG, _INT, _BYTE = ir.DoubleType(), ir.IntType(64), ir.IntType(32), ir.IntType(8)
_VECTOR, _LONGS = ir.VectorType(_DOUBLE, LANES), ir.VectorType(_LONG, LANES)
_FUSED = ("contract",)
compiled_as: Any = intrinsic
"""Numba's decorator for generated code; the first parameter, the typing context, is numba's own."""
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
ROUNDER = 6755399441055744.0
"""1.5 x 2^52: adding it to a number leaves the nearest whole number in the low bits."""
SIGNIFICAND, HALF_EXPONENT = 0x000FFFFFFFFFFFFF, 0x3FE0000000000000


class VectorType(types.Type):
    """Eight float64 or sixteen float32 in one register."""

    def __init__(self, name: str, number: types.Float, llvm: ir.VectorType) -> None:
        super().__init__(name=name)
        self.number, self.llvm = number, llvm


vec8 = VectorType("Vec8", types.float64, _VECTOR)
vec16 = VectorType("Vec16", types.float32, ir.VectorType(ir.FloatType(), 2 * LANES))


@register_model(VectorType)
class VectorModel(models.PrimitiveModel):
    """A vector value of LLVM."""

    def __init__(self, dmm: Any, fe_type: VectorType) -> None:
        super().__init__(dmm, fe_type, fe_type.llvm)


def _of_array(array: Any) -> VectorType:
    return vec16 if array.dtype == types.float32 else vec8


def _address(context: Any, builder: Any, array_type: Any, array: Any, row: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    vector_type = _of_array(array_type).llvm
    first = builder.mul(row, ir.Constant(row.type, vector_type.count))
    return builder.bitcast(builder.gep(data, [first]), vector_type.as_pointer())


@compiled_as
def load(typing_context, array, row):
    """Row of an array of shape (n, 8) of float64, or (n, 16) of float32."""

    def generate(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], *arguments)
        value = builder.load(address, typ=signature.return_type.llvm)
        value.align = 8
        return value

    return _of_array(array)(array, types.intp), generate


@compiled_as
def store(typing_context, array, row, vector):
    """Write a vector to a row of such an array."""

    def generate(context, builder, signature, arguments):
        to = _address(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], to).align = 8
        return context.get_dummy_value()

    return types.void(array, types.intp, _of_array(array)), generate


def _eight_address(context: Any, builder: Any, array_type: Any, array: Any, row: Any) -> tuple[Any, Any]:
    """Address of a row of eight numbers, and their type in LLVM; rows may also be one to a line of the cache."""
    number = ir.FloatType() if array_type.dtype == types.float32 else _DOUBLE
    data = context.make_array(array_type)(context, builder, array).data
    apart = LANES if array_type.layout == "C" else LINE_BYTES // (array_type.dtype.bitwidth // 8)
    first = builder.mul(row, ir.Constant(row.type, apart))
    vector_type = ir.VectorType(number, LANES)
    return builder.bitcast(builder.gep(data, [first]), vector_type.as_pointer()), vector_type


@compiled_as
def load_eight(typing_context, array, row):
    """Row of an array of shape (n, 8) of float64 or float32, as float64."""

    def generate(context, builder, signature, arguments):
        address, vector_type = _eight_address(context, builder, signature.args[0], *arguments)
        value = builder.load(address, typ=vector_type)
        value.align = 4
        return value if vector_type == _VECTOR else builder.fpext(value, _VECTOR)

    return vec8(array, types.intp), generate


@compiled_as
def store_eight(typing_context, array, row, vector):
    """Write a vector to a row of such an array, rounded to its type."""

    def generate(context, builder, signature, arguments):
        address, vector_type = _eight_address(context, builder, signature.args[0], *arguments[:2])
        value = arguments[2] if vector_type == _VECTOR else builder.fptrunc(arguments[2], vector_type)
        builder.store(value, address).align = 4
        return context.get_dummy_value()

    return types.void(array, types.intp, vec8), generate


def _splat(builder: Any, value: Any, vector_type: Any) -> Any:
    undefined = ir.Constant(vector_type, ir.Undefined)
    one = builder.insert_element(undefined, value, ir.Constant(_INT, 0))
    zeros = ir.Constant(ir.VectorType(_INT, vector_type.count), [0] * vector_type.count)
    return builder.shuffle_vector(one, undefined, zeros)


@compiled_as
def splat(typing_context, number):
    """The number in all lanes; sixteen of a float32."""
    to = vec16 if number == types.float32 else vec8

    def generate(context, builder, signature, arguments):
        return _splat(builder, arguments[0], to.llvm)

    return to(to.number), generate


def _binary(instruction: str) -> Any:
    @compiled_as
    def operation(typing_context, a, b):
        def generate(context, builder, signature, arguments):
            return getattr(builder, instruction)(*arguments, flags=_FUSED)

        return a(a, a), generate

    return operation


def _overload_operator(symbol: Callable[..., Any], operation: Any) -> None:
    @overload(symbol, inline="never")
    def choose(a, b):
        if isinstance(a, VectorType) and a is b:
            return lambda a, b: operation(a, b)
        if isinstance(a, VectorType) and b is a.number:
            return lambda a, b: operation(a, splat(b))
        if isinstance(b, VectorType) and a is b.number:
            return lambda a, b: operation(splat(a), b)
        return None


for _symbol, _name in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _overload_operator(_symbol, _binary(_name))


@compiled_as
def choose_above(typing_context, a, b, yes, no):
    """`yes` in the lanes where a > b, else `no`."""

    def generate(context, builder, signature, arguments):
        a, b, yes, no = arguments
        return builder.select(builder.fcmp_ordered(">", a, b), yes, no)

    return vec8(vec8, vec8, vec8, vec8), generate


@compiled_as
def any_above(typing_context, a, b):
    """Whether a > b in some lane."""

    def generate(context, builder, signature, arguments):
        bits = builder.bitcast(builder.fcmp_ordered(">", *arguments), _BYTE)
        return builder.icmp_unsigned("!=", bits, ir.Constant(_BYTE, 0))

    return types.boolean(vec8, vec8), generate


def _llvm_function(name: str) -> Any:
    @compiled_as
    def operation(typing_context, a):
        def generate(context, builder, signature, arguments):
            kind = ir.FunctionType(_VECTOR, [_VECTOR])
            return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)

        return vec8(vec8), generate

    return operation


square_root = _llvm_function("llvm.sqrt.v8f64")
magnitude = _llvm_function("llvm.fabs.v8f64")


@compiled_as
def _scale_by_power(typing_context, value, rounded):
    """value x 2^k, k in the low bits of `rounded`; exact for normal results."""

    def generate(context, builder, signature, arguments):
        shift = _splat(builder, ir.Constant(_LONG, 52), _LONGS)
        exponent = builder.shl(builder.bitcast(arguments[1], _LONGS), shift)
        return builder.bitcast(builder.add(builder.bitcast(arguments[0], _LONGS), exponent), _VECTOR)

    return vec8(vec8, vec8), generate


@compiled_as
def _significand(typing_context, value):
    """The positive number scaled into [0.5, 1)."""

    def generate(context, builder, signature, arguments):
        mask, half = (_splat(builder, ir.Constant(_LONG, k), _LONGS) for k in (SIGNIFICAND, HALF_EXPONENT))
        bits = builder.and_(builder.bitcast(arguments[0], _LONGS), mask)
        return builder.bitcast(builder.or_(bits, half), _VECTOR)

    return vec8(vec8), generate


@compiled_as
def _exponent(typing_context, value):
    """k with value = significand x 2^k, for positive normal numbers."""

    def generate(context, builder, signature, arguments):
        shift = _splat(builder, ir.Constant(_LONG, 52), _LONGS)
        bias = _splat(builder, ir.Constant(_LONG, 1022), _LONGS)
        whole = builder.sub(builder.lshr(builder.bitcast(arguments[0], _LONGS), shift), bias)
        return builder.sitofp(whole, _VECTOR)

    return vec8(vec8), generate


@njit(cache=True, nogil=True, error_model="numpy")
def bounded(value, limit):
    """The value held inside +-limit."""
    high = splat(limit)
    low = splat(-limit)
    return choose_above(value, high, high, choose_above(low, value, low, value))


@njit(cache=True, nogil=True, error_model="numpy")
def exponential(x):
    """exp(x) for |x| <= 700, to two units in the last place."""
    shifted = x * 1.4426950408889634 + ROUNDER
    k = shifted - ROUNDER
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    # Taylor series; |r| <= log(2) / 2, so the first term left out is below 1e-17
    p = r * (1.0 / 6227020800.0) + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return _scale_by_power(p, shifted)


@njit(cache=True, nogil=True, error_model="numpy")
def logarithm(x):
    """log(x) of positive normal numbers, to a few units in the last place."""
    m = _significand(x)
    k = _exponent(x)
    # into [sqrt(1/2), sqrt(2)), so that s^2 <= 0.0295
    low = choose_above(splat(0.7071067811865476), m, splat(1.0), splat(0.0))
    m = m + m * low
    k = k - low
    s = (m - 1.0) / (m + 1.0)
    s2 = s * s
    p = s2 * (1.0 / 21.0) + 1.0 / 19.0
    p = p * s2 + 1.0 / 17.0
    p = p * s2 + 1.0 / 15.0
    p = p * s2 + 1.0 / 13.0
    p = p * s2 + 1.0 / 11.0
    p = p * s2 + 1.0 / 9.0
    p = p * s2 + 1.0 / 7.0
    p = p * s2 + 1.0 / 5.0
    p = p * s2 + 1.0 / 3.0
    p = p * s2 + 1.0
    return k * LN2_HIGH + (2.0 * s * p + k * LN2_LOW)
