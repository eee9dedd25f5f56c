/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/again.h"

__thread bool qbi_dispatch_again __attribute__((tls_model("initial-exec")));
__thread bool qbi_job_can_wait __attribute__((tls_model("initial-exec")));
