/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sends three requests at once and prints the responses as they come, in a loop of its own. */
#include <errno.h>
#include <error.h>
#include <poll.h>
#include <stdio.h>
#include <qbipc/call.h>

struct hello {
	struct qb_ipc_response_header header;
	char text[32];
};

static void hello_answered(qb_ipcc_connection_t *c, int error, void *response, size_t size,
			   void *data)
{
	struct hello *reply = response;

	if (error == 0 && size == sizeof(*reply))
		printf("%.*s\n", (int)sizeof(reply->text), reply->text);
	++*(int *)data;
}

int main(void)
{
	struct hello ask = { { QB_IPC_MSG_USER_START, sizeof(ask), 0 }, "Hello, server" };
	struct iovec iov = { &ask, sizeof(ask) };
	qb_ipcc_connection_t *c = qb_ipcc_connect("minimal", sizeof(ask));
	struct pollfd p = { .events = POLLIN };
	int sent, done = 0;

	if (!c)
		error(1, errno, "cannot connect to 'minimal'");
	for (sent = 0; sent < 3; sent++)
		if (qbipc_call_send(c, &iov, 1, 1000, hello_answered, &done) < 0)
			error(1, 0, "cannot send");
	for (p.fd = qbipc_calls_fd(c); done < sent && poll(&p, 1, -1) >= 0;)
		qbipc_calls_dispatch(c);
	qb_ipcc_disconnect(c);
	return 0;
}
