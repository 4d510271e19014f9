"""What a table of names is made of."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Unused:
    """A parameter that has no counterpart: values that change nothing are taken and dropped.

    Attributes:
      text: Completes "must be ..." in an error.
      admits: Whether a value changes nothing.
    """

    text: str
    admits: Callable[[Any], bool]


ANY = Unused("anything", lambda value: True)
ONLY_NONE = Unused("None", lambda value: value is None)
ONLY_FALSE = Unused("False", lambda value: value is False)


@dataclasses.dataclass(frozen=True)
class Name:
    """One name of a dialect: a function, or a class of layers.

    Attributes:
      activation: What jaxact calls it.
      parameters: The dialect's parameter names, in its order -> jaxact's, or what may be given in vain. Two names
        may mean the same one; the later of them is taken by keyword only.
      defaults: jaxact's parameters whose default differs in the dialect.
      values: For a parameter of the dialect, its values that jaxact writes otherwise.
      required: Parameters of the dialect that can't be left out, though jaxact could do without.
      learned: For a class, its trained weights -> the parameters of jaxact that they are.
    """

    activation: str
    parameters: Mapping[str, str | Unused] = dataclasses.field(default_factory=dict)
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    values: Mapping[str, Mapping[Any, Any]] = dataclasses.field(default_factory=dict)
    required: tuple[str, ...] = ()
    learned: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def positional(self) -> dict[str, str | Unused]:
        """The parameters that can be given by position: the first name of each."""
        first: dict[str | int, str] = {}
        for theirs, ours in self.parameters.items():
            first.setdefault(ours if isinstance(ours, str) else id(theirs), theirs)
        return {theirs: self.parameters[theirs] for theirs in first.values()}


@dataclasses.dataclass(frozen=True)
class Dialect:
    """The names of one framework.

    Attributes:
      names: Each function as the framework writes it.
      layers: Each class of layers.
      module: Where the classes are.
      common: Entries of every layer's configuration that do not bear on what it computes.
      all_or_none: Parameters by position are given all or not at all.
    """

    names: Mapping[str, Name]
    layers: Mapping[str, Name] = dataclasses.field(default_factory=dict)
    module: str = ""
    common: frozenset[str] = frozenset()
    all_or_none: bool = False
