"""Let ``lensfinder.find`` be both the module of a room and the function that it exists for.

Each verb has one room, and the room one function of the same name: `lensfinder.find` the module
holds ``find`` the function. Importing a submodule makes Python set it as an attribute of its
package, which would hide the function behind the module after the first
``from lensfinder.find import find``. So the package turns each such module into one that can be
called, and passes the call on to the function. Both spellings then mean the same, whichever came
first.
"""

from types import ModuleType


class VerbModule(ModuleType):
    """A module that is called by calling its function of the same name."""

    def _verb(self):
        return getattr(self, self.__name__.rpartition(".")[2])

    def __call__(self, *args, **kwargs):
        return self._verb()(*args, **kwargs)

    @property
    def __wrapped__(self):  # so that inspect.signature(lensfinder.find) is that of the function
        return self._verb()


class VerbPackage(ModuleType):
    """A package whose submodules named in ``_VERBS`` become callable as they are imported."""

    def __setattr__(self, name, value):
        if isinstance(value, ModuleType) and name in self._VERBS:
            value.__class__ = VerbModule
        super().__setattr__(name, value)
