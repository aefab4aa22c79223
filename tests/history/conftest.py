# Part of mftd; see LICENSE.
"""The checker's own tests: `history` is found beside its folder."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
