/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/again.h"

__thread bool qbi_dispatch_again __attribute__((tls_model("initial-exec")));
