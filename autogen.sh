#!/bin/sh
# Part of mftd; see LICENSE.
# Makes ./configure from a checkout.
set -e
cd "$(dirname "$0")"
mkdir -p build-aux
exec autoreconf --install --force
