# Part of mftd; see LICENSE.
"""Lets the tests here import rig.py."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
