"""Imports TensorFlow and Keras without packages that they import and nothing here uses, in less time.

For programs that tests start. `fcn.system.backend.start_backend` does the same, but it also opens the
devices, after which no fork of the program could compute.
"""

import os
import sys

if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
    unused = {"IPython", "jax", "scipy", "pandas", "sklearn"} - sys.modules.keys()
    # None makes `import` raise an ImportError, as for a package that is not installed.
    sys.modules.update(dict.fromkeys(unused))  # type: ignore[arg-type]
    import tensorflow  # noqa: F401  # imports Keras

    for name in unused:
        sys.modules.pop(name, None)
