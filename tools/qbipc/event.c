/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/qbipc/event.h"

#include <errno.h>
#include <poll.h>

#include "tools/qbipc/tool.h"

#define NS_PER_MS 1000000

static int event_wait(qb_ipcc_connection_t *c, const char *name, uint64_t deadline)
{
	struct pollfd p = { .events = POLLIN };
	uint64_t now = tool_now_ns();
	int r = qb_ipcc_fd_get(c, &p.fd);

	if (r < 0)
		return tool_fail(name, r);
	r = poll(&p, 1, now < deadline ? (int)((deadline - now) / NS_PER_MS) + 1 : 0);
	if (r == 0)
		return tool_fail("event", ETIMEDOUT);
	return r < 0 && errno != EINTR ? tool_fail(name, errno) : TOOL_OK;
}

int event_receive(qb_ipcc_connection_t *c, const char *name, int32_t timeout_ms, void *buf,
		  size_t size, size_t *ret_size)
{
	uint64_t deadline = tool_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	int status = TOOL_OK;
	ssize_t n = -EAGAIN;

	while (status == TOOL_OK && n == -EAGAIN) {
		status = event_wait(c, name, deadline);
		if (status == TOOL_OK)
			n = qb_ipcc_event_recv(c, buf, size, 0);
	}
	if (status != TOOL_OK)
		return status;
	if (n < 0)
		return tool_fail(name, (int)n);
	*ret_size = (size_t)n;
	return TOOL_OK;
}
