# Part of mftd; see LICENSE.
"""A partner that misbehaves by plan: OpenSSH's sshd and sftp-server with a
relay between them that speaks SFTP packets, and what is to come of each fault.

plan.py says what can go wrong, packets.py reads the packets, relay.py does it,
partner.py starts the whole and collects what happened there, scenes.py has the
deliveries and their allowed outcomes, play.py lets a daemon deliver them, and
pulls.py lets one fetch; `run` is that as a command.
"""
