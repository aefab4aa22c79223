# Part of mftd; see LICENSE.
"""What clients asked and were told, and the judge who compares that with what
is there.

Clients write with recorder.py, into files outside of the system under test.
observe.py collects what lies in storage, journals, catalog and at the partner.
checker.py judges: a pure function of the two; `check` is it as a command.
"""
