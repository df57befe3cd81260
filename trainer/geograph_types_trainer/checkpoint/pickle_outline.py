"""What a checkpoint's pickle would build, worked out without unpickling anything.

A pickle is a program for a small stack machine, and most of its power is to call things by name.
The released checkpoints need three names. This module runs the program with plain values: a name
stays a name, a tensor stays the description of a tensor, and whatever the released form does not
need is refused by what it is called.

Source of the opcodes: Python's own `pickletools`, which documents each of them.
"""

import pickletools
from dataclasses import dataclass
from typing import Final

ORDERED_DICT: Final = "collections OrderedDict"
FLOAT_STORAGE: Final = "torch FloatStorage"
REBUILD_TENSOR: Final = "torch._utils _rebuild_tensor_v2"
ALLOWED_GLOBALS: Final = frozenset({ORDERED_DICT, FLOAT_STORAGE, REBUILD_TENSOR})

LITERALS: Final = frozenset(
    {"BINUNICODE", "BININT", "BININT1", "BININT2", "BINFLOAT", "NONE", "NEWTRUE", "NEWFALSE"}
)
EMPTY: Final[dict[str, type]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
FIXED_TUPLES: Final = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
HIGHEST_PROTOCOL: Final = 2
"""The one that `torch.save` writes and that its careful reader knows."""


class FormError(ValueError):
    """A part of a checkpoint that the released form does not have."""


@dataclass(frozen=True, slots=True)
class StorageOutline:
    """A block of float32 in the archive.

    Attributes:
        key: its name under `data/`.
        count: how many numbers the pickle says that it holds.
    """

    key: str
    count: int


@dataclass(frozen=True, slots=True)
class TensorOutline:
    """A tensor as the pickle describes it, before a byte of it is read.

    Attributes:
        storage: where its numbers lie.
        offset: of its first number.
        shape: its sizes.
        stride: steps between neighbours, in numbers.
    """

    storage: StorageOutline
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Global:
    """Module and name that the pickle asks for, as pickles write them; they are never looked up."""

    name: str


class _Mark:
    """Where a run of items begins on the stack."""


def outline_pickle(data: bytes) -> tuple[object, tuple[TensorOutline, ...]]:
    """Work out what a pickle would build, running none of it.

    Args:
        data: the pickle; the time taken is linear in its length.

    Returns:
        The object, in which an `OrderedDict` is a dict and a tensor is a `TensorOutline`; and all
        tensors that the pickle builds, wherever it puts them.

    Raises:
        FormError: it names anything but the three globals, uses any opcode that the released form
            does not, calls them with other arguments, or is damaged.
    """
    machine = _Machine()
    end = -1
    try:
        for opcode, argument, position in pickletools.genops(data):
            machine.step(opcode.name, argument)
            end = position or 0
    except FormError:
        raise
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise FormError(f"its pickle is damaged ({error!r})") from None
    if end != len(data) - 1:
        raise FormError("its pickle is followed by other data")
    return machine.result()


class _Machine:
    """The stack machine, with nothing to call."""

    def __init__(self) -> None:
        self._stack: list[object] = []
        self._memo: dict[int, object] = {}
        self._tensors: list[TensorOutline] = []

    def result(self) -> tuple[object, tuple[TensorOutline, ...]]:
        """Give what is left on the stack at the end, and all tensors."""
        if len(self._stack) != 1:
            raise FormError(f"its pickle leaves {len(self._stack)} objects instead of one")
        return self._stack[0], tuple(self._tensors)

    def step(self, opcode: str, argument: object) -> None:
        """Run one opcode."""
        if opcode in LITERALS:
            self._stack.append(CONSTANTS.get(opcode, argument))
        elif opcode in EMPTY:
            self._stack.append(EMPTY[opcode]())
        elif opcode in FIXED_TUPLES:
            items = [self._stack.pop() for _ in range(FIXED_TUPLES[opcode])]
            self._stack.append(tuple(reversed(items)))
        else:
            self._step_structure(opcode, argument)

    def _step_structure(self, opcode: str, argument: object) -> None:
        match opcode:
            case "PROTO":
                if argument != HIGHEST_PROTOCOL:
                    raise FormError(f"its pickle has protocol {argument}, not {HIGHEST_PROTOCOL}")
            case "STOP":
                pass
            case "MARK":
                self._stack.append(_Mark())
            case "BINPUT" | "LONG_BINPUT":
                self._memo[_index(argument)] = self._stack[-1]
            case "BINGET" | "LONG_BINGET":
                self._stack.append(self._memo[_index(argument)])
            case "TUPLE":
                self._stack.append(tuple(self._items()))
            case "APPEND":
                self._extend([self._stack.pop()])
            case "APPENDS":
                self._extend(self._items())
            case "SETITEM":
                value, key = self._stack.pop(), self._stack.pop()
                self._update([key, value])
            case "SETITEMS":
                self._update(self._items())
            case _:
                self._step_call(opcode, argument)

    def _step_call(self, opcode: str, argument: object) -> None:
        match opcode:
            case "GLOBAL":
                self._stack.append(_allowed(argument))
            case "INST":
                _allowed(argument)
                raise FormError("its pickle uses the opcode INST")
            case "STACK_GLOBAL":
                name, module = self._stack.pop(), self._stack.pop()
                if isinstance(module, str) and isinstance(name, str):
                    _allowed(f"{module} {name}")
                raise FormError("its pickle uses the opcode STACK_GLOBAL")
            case "BINPERSID":
                self._stack.append(_storage(self._stack.pop()))
            case "REDUCE":
                arguments, function = self._stack.pop(), self._stack.pop()
                self._stack.append(self._call(function, arguments))
            case "BUILD":
                state = self._stack.pop()
                if not (isinstance(self._stack[-1], dict) and isinstance(state, dict)):
                    raise FormError("its pickle sets attributes of something else than a dict")
                if set(state) != {"_metadata"}:
                    raise FormError("its pickle sets other attributes than _metadata")
            case _:
                raise FormError(f"its pickle uses the opcode {opcode}")

    def _items(self) -> list[object]:
        items: list[object] = []
        while not isinstance(item := self._stack.pop(), _Mark):
            items.append(item)
        items.reverse()
        return items

    def _extend(self, items: list[object]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise FormError("its pickle appends to something else than a list")
        target.extend(items)

    def _update(self, items: list[object]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict):
            raise FormError("its pickle sets items of something else than a dict")
        keys, values = items[::2], items[1::2]
        if not all(isinstance(key, str | int) for key in keys):
            raise FormError("its pickle has a key that is neither text nor a whole number")
        target.update(zip(keys, values, strict=True))

    def _call(self, function: object, arguments: object) -> object:
        if function == _Global(ORDERED_DICT) and arguments == ():
            return {}
        if function == _Global(REBUILD_TENSOR):
            tensor = _tensor(arguments)
            self._tensors.append(tensor)
            return tensor
        name = _dotted(function.name) if isinstance(function, _Global) else "what is no function"
        raise FormError(f"its pickle calls {name} with other arguments than the released form's")


def _allowed(name: object) -> _Global:
    if name not in ALLOWED_GLOBALS:
        raise FormError(f"its pickle asks for {_dotted(str(name))!r}; three globals are allowed")
    return _Global(str(name))


def _dotted(name: str) -> str:
    return name.replace(" ", ".", 1)


def _index(argument: object) -> int:
    if not isinstance(argument, int):
        raise FormError("its pickle has a memo index that is no number")
    return argument


def _storage(identity: object) -> StorageOutline:
    match identity:
        case ("storage", _Global(name=kind), str(key), str(), int(count)):
            if kind == FLOAT_STORAGE and count >= 0:
                return StorageOutline(key, count)
    raise FormError("its pickle describes a storage in another way than the released form")


def _tensor(arguments: object) -> TensorOutline:
    match arguments:
        case (StorageOutline() as storage, int(offset), tuple(shape), tuple(stride), bool(), hooks):
            numbers = [n for n in (*shape, *stride) if isinstance(n, int) and n >= 0]
            if len(numbers) == 2 * len(shape) == 2 * len(stride) and hooks == {}:
                return TensorOutline(storage, offset, shape, stride)
    raise FormError("its pickle describes a tensor in another way than the released form")
