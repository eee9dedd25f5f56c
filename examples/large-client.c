/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Builds a megabyte where the server reads it, and looks at the response where that lies. */
#include <errno.h>
#include <error.h>
#include <stdio.h>
#include <qbipc/reserve.h>
#include <qbipc/views.h>

struct picture {
	struct qb_ipc_response_header header;
	unsigned char pixels[1 << 20];
};

int main(void)
{
	qb_ipcc_connection_t *c = qb_ipcc_connect("minimal", sizeof(struct picture));
	const struct picture *shown;
	const void *message = NULL;
	struct picture *p;
	void *place;
	size_t i, bright = 0;
	ssize_t n;

	if (!c)
		error(1, errno, "cannot connect to 'minimal'");
	n = qbipc_request_reserve(c, sizeof(*p), &place);
	if (n < 0)
		error(1, (int)-n, "no place for a request");
	p = place;
	p->header.id = QB_IPC_MSG_USER_START;
	p->header.size = sizeof(*p);
	for (i = 0; i < sizeof(p->pixels); i++)
		p->pixels[i] = i % 256;
	n = qbipc_request_commit(c, sizeof(*p));
	if (n < 0 || (n = qbipc_response_view(c, &message, 10000)) != sizeof(*shown))
		error(1, n < 0 ? (int)-n : EBADMSG, "no response");
	for (shown = message, i = 0; i < sizeof(shown->pixels); i++)
		bright += shown->pixels[i] >= 128;
	printf("%zu bright pixels\n", bright);
	qbipc_response_release(c);
	qb_ipcc_disconnect(c);
	return 0;
}
