# Part of mftd; see LICENSE.
"""Lets the tests here import what is beside them, the rig and the judge."""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "interop"), str(HERE.parent)]
