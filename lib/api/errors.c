/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/errors.h"

#include <assert.h>

#include "base/util.h"

static const struct {
	int full;  /* QBI_FULL */
	int empty; /* QBI_EMPTY */
	int gone;  /* QBI_GONE */
} table[] = {
	[QBI_CALL_SEND] = { -EAGAIN, -EAGAIN, -ENOTCONN },
	[QBI_CALL_RECV] = { -EAGAIN, -ETIMEDOUT, -ENOTCONN },
	[QBI_CALL_EVENT_RECV] = { -EAGAIN, -EAGAIN, -ENOTCONN },
};

ssize_t qbi_result(enum qbi_call call, int r, size_t size)
{
	if (r == 0)
		return (ssize_t)size;
	if (r < 0)
		return r;
	switch ((enum qbi_outcome)r) {
	case QBI_FULL: return table[call].full;
	case QBI_EMPTY: return table[call].empty;
	case QBI_GONE: return table[call].gone;
	case QBI_UNSENT:
	case QBI_MORE:
	case QBI_AGAIN:
	case QBI_PARTIAL:
	case QBI_UNANNOUNCED:
	case QBI_FAREWELL:
	case QBI_BUSY:
	case QBI_TIMED:
	case QBI_CANCEL:
	case QBI_BODY: break;
	}
	assert(!"an outcome that stays inside");
	return -EIO;
}
