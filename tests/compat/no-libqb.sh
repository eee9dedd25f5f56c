#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
echo "skipped: configure found no libqb to talk to"
exit 77
