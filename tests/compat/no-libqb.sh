#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
echo "1..0 # SKIP configure found no libqb to talk to (package libqb-dev)"
