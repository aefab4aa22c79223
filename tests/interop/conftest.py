# Part of mftd; see LICENSE.
"""Lets the tests here import rig.py, and tests/history."""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
