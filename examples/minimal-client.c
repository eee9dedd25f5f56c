/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sends one request and prints the text of the response. */
#include <errno.h>
#include <error.h>
#include <stdio.h>
#include <qb/qbipcc.h>

struct hello {
	struct qb_ipc_response_header header;
	char text[32];
};

int main(void)
{
	struct hello ask = { { QB_IPC_MSG_USER_START, sizeof(ask), 0 }, "Hello, server" };
	struct iovec iov = { &ask, sizeof(ask) };
	struct hello reply;
	qb_ipcc_connection_t *c = qb_ipcc_connect("minimal", sizeof(ask));
	ssize_t n;

	if (!c)
		error(1, errno, "cannot connect to 'minimal'");
	n = qb_ipcc_sendv_recv(c, &iov, 1, &reply, sizeof(reply), 1000);
	if (n != sizeof(reply))
		error(1, n < 0 ? (int)-n : EBADMSG, "no response");
	printf("%.*s\n", (int)sizeof(reply.text), reply.text);
	qb_ipcc_disconnect(c);
	return 0;
}
