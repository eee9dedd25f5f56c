/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/compat/cell.h"

const char client_library[] = CLIENT_LIBRARY;
