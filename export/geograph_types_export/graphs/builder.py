"""A small builder of ONNX graphs: named nodes and constants, and the same bytes each time."""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from geograph_types.manifest import TensorSpec

MICROSOFT: Final = "com.microsoft"
"""Domain of onnxruntime's own operators."""

OPSET: Final = 20
IR_VERSION: Final = 9
"""The oldest that hold what the graphs use; every onnxruntime since 1.19 runs them."""

Attribute: TypeAlias = int | float | str | Sequence[int]

ELEMENT_TYPES: Final = {
    "uint8": TensorProto.UINT8,
    "int64": TensorProto.INT64,
    "float32": TensorProto.FLOAT,
}


class GraphBuilder:
    """Collects the nodes and constants of one graph.

    Each node has the name of the model's part that it computes, and its output the same name, so
    that a viewer shows the model as its authors describe it.
    """

    def __init__(self, name: str) -> None:
        """Start an empty graph."""
        self._name = name
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add a constant, once for each name, and return its name."""
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def integers(self, *values: int) -> str:
        """Add a constant int64 vector, such as a shape or axes, and return its name."""
        name = "integers." + "_".join(str(value) for value in values)
        return self.constant(name, np.array(values, dtype=np.int64))

    def node(
        self,
        operator: str,
        name: str,
        inputs: Sequence[str],
        *,
        outputs: Sequence[str] = (),
        domain: str = "",
        **attributes: Attribute,
    ) -> str:
        """Add a node and return the name of its first output.

        The output has the node's name unless `outputs` are named. An empty name among the inputs
        leaves an optional one out; an empty domain is ONNX's own.
        """
        names = list(outputs) or [name]
        self._nodes.append(
            helper.make_node(
                operator, list(inputs), names, name, domain=domain, **_as_any(attributes)
            )
        )
        return names[0]

    def include(self, model: ModelProto) -> None:
        """Add all nodes and constants of another model; tensors of the same name become one."""
        taken = {output for node in self._nodes for output in node.output}
        for node in model.graph.node:
            if taken.intersection(node.output):
                raise ValueError(f"both graphs have a node {node.name}")
        self._nodes.extend(model.graph.node)
        for tensor in model.graph.initializer:
            if self._constants.setdefault(tensor.name, tensor) != tensor:
                raise ValueError(f"the graphs have different constants {tensor.name}")

    def model(self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> ModelProto:
        """Return the graph, with inputs and outputs in this order, as ONNX's checker accepts it."""
        graph = helper.make_graph(
            self._nodes,
            self._name,
            [_value(spec) for spec in inputs],
            [_value(spec) for spec in outputs],
            list(self._constants.values()),
        )
        domains = {node.domain for node in self._nodes}
        opsets = [helper.make_opsetid("", OPSET)]
        if MICROSOFT in domains:
            opsets.append(helper.make_opsetid(MICROSOFT, 1))
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=IR_VERSION,
            producer_name="geograph-types",
        )
        checker.check_model(model)
        return model


def serialise(model: ModelProto) -> bytes:
    """Return a model's bytes, the same for the same model."""
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def subgraph(model: ModelProto, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """Return the part of a graph that computes some of its tensors, in float32, from others."""
    needed, nodes = set(outputs), []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output) and not set(inputs).issuperset(node.output):
            needed.update(node.input)
            nodes.append(node)
    known = {value.name: value for value in model.graph.input}
    part = helper.make_graph(
        nodes[::-1],
        model.graph.name,
        [known.get(name) or _any_floats(name) for name in inputs],
        [_any_floats(name) for name in outputs],
        [tensor for tensor in model.graph.initializer if tensor.name in needed],
    )
    opsets = model.opset_import
    return serialise(helper.make_model(part, opset_imports=opsets, ir_version=IR_VERSION))


def _any_floats(name: str) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)


def _as_any(attributes: dict[str, Attribute]) -> dict[str, Any]:
    """Hide the types from `make_node`, whose other keywords have types of their own."""
    return dict(attributes)


def _value(spec: TensorSpec) -> Any:
    return helper.make_tensor_value_info(spec.name, ELEMENT_TYPES[spec.dtype], spec.shape)
