/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qbipc describe: what qbipc call uses of it. */
#ifndef TOOL_DESCRIBE_H
#define TOOL_DESCRIBE_H

#include <stdint.h>

#include <qbipc/describe.h>

#include "tools/qbipc/tool.h"

/* Ask @name for its handlers. TOOL_OK; or the exit status, and why was reported. */
int describe_ask(const char *name, int32_t timeout_ms, qbipc_description_t **ret);

#endif
