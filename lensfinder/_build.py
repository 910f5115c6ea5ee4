"""Build command that carries ``data_specs/`` and ``models/`` into the wheel.

Both folders lie at the top level of the repository, outside every Python package, so that an
astronomer finds them. The other ways to ship them were tried against that and lose:

* ``packages = find_namespace:`` would install top-level packages called ``models`` and
  ``data_specs`` into everybody's site-packages;
* ``data_files`` needs one line per folder, so a new preset would be forgotten, and lands in a
  place that depends on how pip was called;
* a symbolic link inside the package does not survive every checkout.

Copying at build time takes whatever is there, under ``lensfinder/_resources/``, where
`lensfinder.paths` finds it. An editable install copies nothing: the checkout itself is read.
Used by setuptools only (``cmdclass`` in setup.cfg), never by the package.
"""

from pathlib import Path

from setuptools.command.build_py import build_py

RESOURCES = ("data_specs", "models")


class BuildWithResources(build_py):
    """``build_py`` that also copies the resource folders, and lists them for the sdist."""

    def _resources(self):
        """Pairs (file in the checkout, file in the build folder)."""
        root = Path(self.distribution.src_root or ".")
        target = Path(self.build_lib or "build") / "lensfinder" / "_resources"
        for folder in RESOURCES:
            files = [file for file in sorted((root / folder).rglob("*")) if file.is_file()]
            files = [file for file in files if "__pycache__" not in file.parts]
            if not files:
                raise FileNotFoundError(f"No file in {root / folder}: the checkout is incomplete.")
            for file in files:
                yield file, target / file.relative_to(root)

    def run(self):
        super().run()
        if self.editable_mode:
            return
        for source, target in self._resources():
            self.mkpath(str(target.parent))
            self.copy_file(str(source), str(target), preserve_mode=False)

    def get_source_files(self):
        return super().get_source_files() + [str(source) for source, _ in self._resources()]

    def get_outputs(self, include_bytecode=True):
        outputs = super().get_outputs(include_bytecode)
        if self.editable_mode:
            return outputs
        return outputs + [str(target) for _, target in self._resources()]
